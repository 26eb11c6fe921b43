// Never run on a GPU: there only could it choose anything. The tests drive it with a library that computes on the host.
extension CUDAProducts {
    /// The fastest of several algorithms, each measured on the call's own operands. Everything they write goes to memory of its own,
    /// so nothing that the call names changes. Nil where there is no memory for that, or none of them ran.
    func fastest(of algorithms: [CUBLASLt.Algorithm], _ plan: Plan, _ call: Call) throws(CUDAError) -> CUBLASLt.Algorithm? {
        guard let scratch = try Scratch(call, session) else { return nil }
        // Addresses do not keep it.
        defer { withExtendedLifetime(scratch) {} }
        var best: (algorithm: CUBLASLt.Algorithm, seconds: Double)?
        let start = try CUDAEvent(session.driver), end = try CUDAEvent(session.driver)
        var running: [CUBLASLt.Algorithm] = []
        // Once for each, not measured: caches fill, and code is loaded.
        for algorithm in algorithms where try run(plan, algorithm, call, scratch.outputs) == 0 { running.append(algorithm) }
        for _ in 0..<Self.rounds {
            for algorithm in running {
                try start.record(in: session.stream)
                for _ in 0..<Self.runsARound where try run(plan, algorithm, call, scratch.outputs) != 0 {
                    throw call.refused("an algorithm that ran once does not run again")
                }
                try end.record(in: session.stream)
                try end.wait()
                let seconds = try end.seconds(since: start)
                // Of two alike the earlier proposal stays.
                if best.map({ seconds < $0.seconds }) ?? true { best = (algorithm, seconds) }
            }
        }
        try session.synchronize(after: "cublasLtMatmul")
        return best?.algorithm
    }

    private static let rounds = 3, runsARound = 3

    /// Memory for everything that a call writes, given back at the end.
    private final class Scratch {
        let outputs: Outputs
        private let session: CUDASession
        private let memory: DeviceAddress

        /// Nil where there is not enough of it, or the sizes cannot be counted.
        init?(_ call: Call, _ session: CUDASession) throws(CUDAError) {
            self.session = session
            let aux = Matrix(0, call.c.type, stride: call.auxStride)
            let biasElements = call.epilogue == .sumsOfA ? call.m : call.n
            let wanted = [
                call.bytes(of: call.c, width: call.n, height: call.m),
                call.epilogue.writesAux ? call.bytes(of: aux, width: call.n, height: call.m) : 0,
                call.epilogue.writesBias ? biasElements * (call.biasType ?? call.c.type).size : 0,
            ]
            var starts: [Int] = [], size = 0
            for bytes in wanted {
                guard let bytes, bytes <= Int.max / 8 else { return nil }
                starts.append(size)
                size += (bytes + 255) / 256 * 256
            }
            do throws(CUDAError) {
                memory = try session.allocate(byteCount: size)
            } catch {
                if case .outOfMemory = error { return nil }
                throw error
            }
            var outputs = Outputs(call)
            outputs.c = memory + UInt64(starts[0])
            if call.epilogue.writesAux { outputs.aux = memory + UInt64(starts[1]) }
            if call.epilogue.writesBias { outputs.bias = memory + UInt64(starts[2]) }
            self.outputs = outputs
        }

        deinit { try? session.free(memory) }
    }
}
