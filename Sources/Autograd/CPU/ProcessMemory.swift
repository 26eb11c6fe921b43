import Kernels

/// What the system says of this process' memory.
public enum ProcessMemory {
    /// Bytes in memory now; nil where the system does not tell.
    public static var residentBytes: Int? {
        let bytes = loom_resident_bytes()
        return bytes < 0 ? nil : bytes
    }

    /// Gives freed memory back, so that `residentBytes` counts what is in use. Pools are trimmed by their owners.
    public static func releaseFree() { loom_release_free_memory() }
}
