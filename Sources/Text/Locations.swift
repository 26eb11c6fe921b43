import Foundation

/// Where texts are looked for and where what was made from them is kept.
public struct Locations: Sendable {
    /// `$LOOM_DATA`: a folder of texts that the user has laid out.
    public let data: String?
    /// The user's own cache: `$XDG_CACHE_HOME/loom`, otherwise `~/.cache/loom` (`~/Library/Caches/loom` on macOS).
    public let cache: String?

    public init(data: String?, cache: String?) {
        (self.data, self.cache) = (data, cache)
    }

    /// The locations that the environment variables give.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        func folder(_ name: String) -> String? {
            guard let value = environment[name], !value.isEmpty else { return nil }
            return value
        }
        data = folder("LOOM_DATA")
        // The convention for XDG_CACHE_HOME is that a relative path is to be ignored.
        if let caches = folder("XDG_CACHE_HOME"), caches.hasPrefix("/") {
            cache = caches + "/loom"
        } else if let home = folder("HOME") {
            #if os(macOS)
                cache = home + "/Library/Caches/loom"
            #else
                cache = home + "/.cache/loom"
            #endif
        } else {
            cache = nil
        }
    }
}
