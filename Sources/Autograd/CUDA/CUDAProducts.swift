/// Matrix products by cuBLASLt: descriptors and algorithm of each shape are made once and kept.
///
/// Results repeat: the same call gives the same bits each time, on one kind of GPU and one version of the library. NVIDIA promises
/// that for `cublasLtMatmul` with a workspace of the caller's, used by one stream ("Results reproducibility" in cuBLAS's manual); schemes of
/// reduction that could break it are not allowed (`Plan`). What a measurement may choose differently is the algorithm: see `tunes`.
///
/// float32 is exact unless somebody sets NVIDIA_TF32_OVERRIDE or cuBLAS's own variables of emulation.
///
/// Never run on a GPU: the tests' software library took these calls and computed them, and the real one takes the descriptors.
/// Which of the epilogues have algorithms for which types there, how fast any is, and the tuning, are unproven.
///
/// Used from the session's one thread.
package final class CUDAProducts {
    /// How operands of float32 are multiplied; sums are float32 always, as they are of bfloat16.
    package enum Precision: String, CaseIterable {
        case float32
        /// Operands rounded to 10 bits behind the point.
        case tf32
    }

    package let precision: Precision
    /// As the library counts: 131000 is 13.10.0.
    package let version: Int
    package let workspaceBytes: Int
    /// Whether a shape that is met for the first time is measured. Off, the library's first proposal is taken, and the same in every
    /// process. On, the fastest is found, and kept on disk for the next process; where that file is lost, the last bits may change,
    /// since another algorithm adds in another order.
    package var tunes: Bool
    /// To be set while the session's stream is captured: nothing can be measured then. A shape first met there is not measured later
    /// either, so that a graph and what runs beside it agree.
    package var isCapturing = false

    let session: CUDASession
    let library: CUBLASLt
    let record: ProductRecord?
    private let context: CUBLASLt.Descriptor
    private let workspace: DeviceAddress
    private var plans: [Key: Plan] = [:]
    private var refusals: [Key: CUDAError] = [:]

    /// What Hopper and newer get.
    package static let mostWorkspaceBytes = 32 << 20
    /// Proposals asked for.
    package static let mostAlgorithms = 8

    /// - Parameter record: where choices are kept when `tunes`; nil forgets them.
    /// - Throws: `CUDAError`: the library refuses the device, or there is no memory for the workspace.
    package init(
        _ session: CUDASession, _ library: CUBLASLt, precision: Precision, tunes: Bool = false, record: ProductRecord? = nil
    ) throws(CUDAError) {
        (self.session, self.library, self.precision, self.tunes, self.record) = (session, library, precision, tunes, record)
        version = library.version()
        context = try CUBLASLt.Descriptor("cublasLtCreate", in: library, destroy: library.destroy, create: library.create)
        // What NVIDIA recommends.
        workspaceBytes = session.device.capabilityMajor >= 9 ? Self.mostWorkspaceBytes : 4 << 20
        workspace = try session.allocate(byteCount: workspaceBytes)
    }

    deinit { try? session.free(workspace) }

    /// Shapes known so far.
    package var planCount: Int { plans.count }

    /// Asks for a product after what the stream has; returns at once, but for the first call of a shape when it is measured.
    /// - Throws: `CUDAError.product` where the call is wrong or the library has no algorithm for it, `.call`.
    package func multiply(_ call: Call) throws(CUDAError) {
        if call.isEmpty { return }
        try call.check()
        let plan = try plan(for: call)
        guard let algorithm = plan.algorithm else { throw call.refused("it has no algorithm") }
        let status = try run(plan, algorithm, call, Outputs(call))
        guard status == 0 else { throw call.refused("cublasLtMatmul says that \(library.reason(status))") }
    }

    /// Whether the library has an algorithm for the call: epilogues may not have one for every type and shape, and what they do can
    /// then be done by kernels after a plain product.
    /// - Throws: `CUDAError` for all that is no answer to this.
    package func supports(_ call: Call) throws(CUDAError) -> Bool {
        if call.isEmpty { return true }
        try call.check()
        do throws(CUDAError) {
            _ = try plan(for: call)
            return true
        } catch {
            if case .product = error { return false }
            throw error
        }
    }

    // MARK: Plans

    private func plan(for call: Call) throws(CUDAError) -> Plan {
        let key = Key(call)
        if let known = plans[key] { return known }
        if let known = refusals[key] { throw known }
        let plan = try Plan(call, library: library, precision: precision, workspaceBytes: workspaceBytes)
        do throws(CUDAError) {
            plan.algorithm = try choose(plan, key, call)
        } catch {
            if case .product = error { refusals[key] = error }
            throw error
        }
        plans[key] = plan
        return plan
    }

    private func choose(_ plan: Plan, _ key: Key, _ call: Call) throws(CUDAError) -> CUBLASLt.Algorithm {
        let name = ProductRecord.name(device: session.device.name, version: version, precision: precision, key: key)
        if tunes, let kept = record?.algorithm(name), accepts(kept, plan) { return kept }
        let proposals = try proposals(plan, call)
        guard let first = proposals.first else { throw call.refused("cuBLASLt has no algorithm for it on \(session.device.name)") }
        guard tunes, !isCapturing, proposals.count > 1, let best = try fastest(of: proposals, plan, call) else { return first }
        record?.keep(best, as: name)
        return best
    }

    /// The library's proposals, those it thinks fastest first.
    private func proposals(_ plan: Plan, _ call: Call) throws(CUDAError) -> [CUBLASLt.Algorithm] {
        defer { withExtendedLifetime(plan) {} }
        let size = CUBLASLt.HeuristicResult.byteCount
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size * Self.mostAlgorithms, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        var count: Int32 = 0
        let status = library.heuristic(
            context.handle, plan.operation.handle, plan.b.handle, plan.a.handle, plan.c.handle, plan.c.handle, plan.preference.handle,
            Int32(Self.mostAlgorithms), memory.baseAddress, &count)
        if status == CUBLASLt.Status.notSupported { return [] }
        if status == CUBLASLt.Status.invalidValue {
            throw call.refused("cublasLtMatmulAlgoGetHeuristic says that \(library.reason(status))")
        }
        try library.check(status, "cublasLtMatmulAlgoGetHeuristic")
        let found = (0..<max(0, min(Int(count), Self.mostAlgorithms))).compactMap { index in
            CUBLASLt.HeuristicResult(UnsafeRawBufferPointer(rebasing: memory[index * size..<(index + 1) * size]))
        }
        // The preference says it already; an algorithm that cannot be asked is the library's word.
        return found.filter { $0.state == 0 && $0.workspaceBytes <= workspaceBytes && repeats($0.algorithm) != false }.map(\.algorithm)
    }

    /// Whether the algorithm adds parts of sums, if it splits them, in one order; nil where it does not say.
    private func repeats(_ algorithm: CUBLASLt.Algorithm) -> Bool? {
        var scheme: UInt32 = 0, written = 0
        let size = MemoryLayout<UInt32>.size
        let status = algorithm.bytes.withUnsafeBytes {
            library.algorithmAttribute($0.baseAddress, CUBLASLt.reductionOfAlgorithm, &scheme, size, &written)
        }
        return status == 0 ? scheme & ~CUBLASLt.Reduction.computeType == 0 : nil
    }

    /// Whether an algorithm from disk may be used: the library takes it for this shape, and it repeats.
    private func accepts(_ algorithm: CUBLASLt.Algorithm, _ plan: Plan) -> Bool {
        defer { withExtendedLifetime(plan) {} }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: CUBLASLt.HeuristicResult.byteCount, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        let status = algorithm.bytes.withUnsafeBytes {
            library.checkAlgorithm(
                context.handle, plan.operation.handle, plan.b.handle, plan.a.handle, plan.c.handle, plan.c.handle, $0.baseAddress,
                memory.baseAddress)
        }
        guard status == 0, let result = CUBLASLt.HeuristicResult(UnsafeRawBufferPointer(memory)) else { return false }
        return result.workspaceBytes <= workspaceBytes && repeats(algorithm) == true
    }

    // MARK: Running

    /// Where a call writes.
    struct Outputs {
        var c: DeviceAddress, bias: DeviceAddress, aux: DeviceAddress

        init(_ call: Call) { (c, bias, aux) = (call.c.address, call.bias, call.aux) }
    }

    /// The library's status.
    func run(_ plan: Plan, _ algorithm: CUBLASLt.Algorithm, _ call: Call, _ outputs: Outputs) throws(CUDAError) -> Int32 {
        // Handles do not keep what they are of.
        defer { withExtendedLifetime(plan) {} }
        try plan.point(bias: outputs.bias, aux: outputs.aux, of: call)
        var alpha = call.alpha, beta = call.beta
        return algorithm.bytes.withUnsafeBytes {
            library.multiply(
                context.handle, plan.operation.handle, &alpha, call.b.address, plan.b.handle, call.a.address, plan.a.handle, &beta,
                call.addend == 0 ? call.c.address : call.addend, plan.c.handle, outputs.c, plan.c.handle, $0.baseAddress, workspace,
                workspaceBytes, session.stream)
        }
    }
}
