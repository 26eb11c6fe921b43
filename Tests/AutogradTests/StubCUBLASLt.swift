import Autograd

/// A cuBLASLt that makes handles, counts them, notes what it is told, and computes nothing. What a test wants to go wrong it puts into
/// `table`.
final class StubCUBLASLt {
    var table: CUBLASLt
    /// Calls by function.
    var calls: [String: Int] = [:]
    /// Handles that were made and not given back.
    private(set) var alive: Set<CUDAHandle> = []
    /// What the heuristic proposes, by name: `scheme` is what the algorithm says of its reduction.
    var proposals: [Proposal] = [Proposal(name: 1)]
    var products: [Product] = []
    /// Attributes that were set: "operation 7" and its value.
    var attributes: [String: [UInt64]] = [:]
    /// Type, rows, columns and stride of the layouts, in order.
    var layouts: [[Int]] = []
    private var next = 1

    struct Proposal {
        var name: UInt8, scheme: UInt32 = 0, workspace = 0, state: Int32 = 0
        var bytes: [UInt8] { [name] + [UInt8](repeating: 7, count: 63) }
    }

    struct Product: Equatable {
        var a: DeviceAddress, b: DeviceAddress, c: DeviceAddress, d: DeviceAddress
        var alpha: Float, beta: Float
        var algorithm: UInt8
        var workspace: DeviceAddress, workspaceBytes: Int
    }

    init() throws {
        let nothing: @convention(c) () -> Int32 = { 0 }
        let library = DynamicLibrary(path: "stub", symbol: { _ in unsafeBitCast(nothing, to: UnsafeMutableRawPointer.self) })
        table = try CUBLASLt(library)
        table.version = { 130000 }
        table.statusString = { _ in nil }
        table.create = { [unowned self] in make("create", $0) }
        table.destroy = { [unowned self] in discard($0) }
        table.createOperation = { [unowned self] to, compute, scale in
            attributes["compute", default: []].append(UInt64(compute))
            attributes["scale", default: []].append(UInt64(scale))
            return make("operation", to)
        }
        table.destroyOperation = { [unowned self] in discard($0) }
        table.setOperation = { [unowned self] _, attribute, from, size in note("operation \(attribute)", from, size) }
        table.createLayout = { [unowned self] to, type, rows, columns, stride in
            layouts.append([Int(type), Int(rows), Int(columns), Int(stride)])
            return make("layout", to)
        }
        table.destroyLayout = { [unowned self] in discard($0) }
        table.setLayout = { [unowned self] _, attribute, from, size in note("layout \(attribute)", from, size) }
        table.createPreference = { [unowned self] in make("preference", $0) }
        table.destroyPreference = { [unowned self] in discard($0) }
        table.setPreference = { [unowned self] _, attribute, from, size in note("preference \(attribute)", from, size) }
        table.heuristic = { [unowned self] _, _, _, _, _, _, _, wanted, results, count in
            calls["heuristic", default: 0] += 1
            for (index, proposal) in proposals.prefix(Int(wanted)).enumerated() {
                let start = index * 96
                for (offset, byte) in proposal.bytes.enumerated() {
                    results?.storeBytes(of: byte, toByteOffset: start + offset, as: UInt8.self)
                }
                results?.storeBytes(of: UInt64(proposal.workspace), toByteOffset: start + 64, as: UInt64.self)
                results?.storeBytes(of: proposal.state, toByteOffset: start + 72, as: Int32.self)
            }
            count?.pointee = Int32(min(proposals.count, Int(wanted)))
            return 0
        }
        table.checkAlgorithm = { [unowned self] _, _, _, _, _, _, algorithm, result in
            calls["check", default: 0] += 1
            guard let known = proposal(algorithm) else { return 7 }
            result?.storeBytes(of: UInt64(known.workspace), toByteOffset: 64, as: UInt64.self)
            return 0
        }
        table.algorithmAttribute = { [unowned self] algorithm, attribute, to, size, _ in
            guard attribute == 3, size == 4, let known = proposal(algorithm) else { return 7 }
            to?.storeBytes(of: known.scheme, as: UInt32.self)
            return 0
        }
        table.multiply = { [unowned self] _, _, alpha, a, _, b, _, beta, c, _, d, _, algorithm, workspace, bytes, _ in
            products.append(
                Product(
                    a: a, b: b, c: c, d: d, alpha: alpha?.load(as: Float.self) ?? 0, beta: beta?.load(as: Float.self) ?? 0,
                    algorithm: algorithm?.load(as: UInt8.self) ?? 0, workspace: workspace, workspaceBytes: bytes))
            return 0
        }
    }

    private func proposal(_ algorithm: UnsafeRawPointer?) -> Proposal? {
        algorithm.flatMap { bytes in proposals.first { $0.bytes == [UInt8](UnsafeRawBufferPointer(start: bytes, count: 64)) } }
    }

    private func make(_ what: String, _ to: UnsafeMutablePointer<CUDAHandle?>?) -> Int32 {
        calls[what, default: 0] += 1
        let handle = OpaquePointer(bitPattern: next * 64)
        next += 1
        to?.pointee = handle
        if let handle { alive.insert(handle) }
        return 0
    }

    private func discard(_ handle: CUDAHandle?) -> Int32 { handle.flatMap { alive.remove($0) } == nil ? 7 : 0 }

    private func note(_ what: String, _ from: UnsafeRawPointer?, _ size: Int) -> Int32 {
        guard let from else { return 7 }
        attributes[what, default: []].append(size == 4 ? UInt64(from.load(as: UInt32.self)) : from.load(as: UInt64.self))
        return 0
    }
}
