import Foundation
import Kernels
import OpenBLAS

/// Which of OpenBLAS's kernels run.
///
/// OpenBLAS picks them by the processor's model when it is loaded, and a release older than the processor falls back to
/// AVX2: version 0.3.21 on an AMD Zen 5 runs at half of what its AVX-512 kernels reach there. What to use can be said in
/// `OPENBLAS_CORETYPE`, but only before the library is loaded.
public enum BLASCore {
    /// The kernels in use: "Haswell", "SkylakeX" ….
    public static var current: String { openblas_get_corename().map { String(cString: $0) } ?? "unknown" }

    /// Starts this program anew with AVX-512 kernels where the processor has AVX-512 and OpenBLAS did not notice; returns
    /// where there is nothing to gain. Call it first thing in `main`.
    public static func relaunchIfOutdated() {
        #if os(Linux) && arch(x86_64)
            let variable = "OPENBLAS_CORETYPE"
            guard getenv(variable) == nil, loom_has_avx512() != 0, ["Haswell", "Zen", "Prescott", "Nehalem"].contains(current)
            else { return }
            setenv(variable, "SkylakeX", 1)
            var arguments = CommandLine.arguments.map { strdup($0) }
            arguments.append(nil)
            execv("/proc/self/exe", arguments)
            // Only reached when that failed: go on as we are.
            for argument in arguments { free(argument) }
        #endif
    }
}
