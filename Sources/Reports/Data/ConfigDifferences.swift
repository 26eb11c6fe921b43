import Configuration
import Training

/// The settings in which configs are not all the same.
package struct ConfigDifferences {
    /// By path; a value is nil where a config has no such setting.
    package let rows: [(path: String, values: [JSON?])]

    /// What is said of a config, and what differs between seeds, is no difference.
    private static let ignored: Set<String> = ["name", "description", "$schema", "train.seed"]

    package init(_ configs: [JSON]) {
        let leaves = configs.map { $0.flattened() }
        let paths = Set(leaves.flatMap(\.keys)).subtracting(ConfigDifferences.ignored)
        rows = paths.sorted().compactMap { path in
            let values = leaves.map { $0[path] }
            // As text, since a number may have been read as 1 and written as 1.0.
            return Set(values.map { $0?.text(pretty: false) }).count > 1 ? (path, values) : nil
        }
    }
}
