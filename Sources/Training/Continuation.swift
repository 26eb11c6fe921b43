import Configuration

extension RunConfig {
    /// What differs from `previous`, the config that a run was trained with until now, as lines for a person.
    ///
    /// Most settings may change under way: the learning rate, the number of steps. What the checkpoint is made of may not.
    /// - Throws: `ConfigError` naming the first setting that cannot change.
    public func changes(since previous: RunConfig) throws -> [(path: String, line: String)] {
        let (before, after) = (previous.resolved.flattened(), resolved.flattened())
        return try Set(before.keys).union(after.keys).sorted().compactMap { path in
            let (old, new) = (before[path], after[path])
            guard old != new, path != "name", path != "description" else { return nil }
            let change = "\(old?.brief ?? "unset") → \(new?.brief ?? "unset")"
            guard !RunConfig.isBoundToCheckpoint(path) else {
                throw ConfigError(
                    "a run keeps its model, its tokens and its kind of optimizer (\(change) was asked for); leave it, or train a new run",
                    at: path, file: file)
            }
            return (path, "\(path) \(change)")
        }
    }

    private static func isBoundToCheckpoint(_ path: String) -> Bool {
        let bound = ["model", "data.tokenizer", "data.documents", "data.end_token", "optimizer.type", "optimizer.variant"]
        return bound.contains { path == $0 || path.hasPrefix($0 + ".") }
    }
}
