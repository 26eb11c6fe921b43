/// Work that a stream was asked for while it was captured: the device does all of it again on one word of the host, which for small
/// models is most of a step's time.
package final class CUDAGraph {
    private let session: CUDASession
    private let executable: CUDAHandle
    /// Page-locked memory that the graph copies from.
    private let constants: [UnsafeMutableRawPointer]

    fileprivate init(_ session: CUDASession, executable: CUDAHandle, constants: [UnsafeMutableRawPointer]) {
        (self.session, self.executable, self.constants) = (session, executable, constants)
    }

    deinit {
        // It may be at work still.
        _ = session.driver.synchronizeStream(session.stream)
        _ = session.driver.destroyExecutable(executable)
        for pointer in constants { _ = session.driver.freeHost(pointer) }
    }

    /// Asks for all of it after what the stream has; returns at once.
    package func launch() throws(CUDAError) {
        try session.driver.check(session.driver.launchGraph(executable, session.stream), "cuGraphLaunch")
    }
}

/// A capture on its way.
package final class CUDACapture {
    private let session: CUDASession
    private var constants: [UnsafeMutableRawPointer] = []
    /// Whether something was asked for that a graph cannot hold: a result on the host.
    package var isImpossible = false

    /// What the session's stream is asked for from now on is kept and not done.
    package init(_ session: CUDASession) throws(CUDAError) {
        self.session = session
        // Relaxed: memory may be taken meanwhile.
        try session.driver.check(session.driver.beginCapture(session.stream, 2), "cuStreamBeginCapture")
    }

    /// Bytes that the graph will copy each time, as they are now.
    package func upload(_ bytes: UnsafeRawBufferPointer, to address: DeviceAddress) throws(CUDAError) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let copy = try session.allocateHost(byteCount: bytes.count)
        constants.append(copy)
        copy.copyMemory(from: source, byteCount: bytes.count)
        try session.upload(UnsafeRawBufferPointer(start: copy, count: bytes.count), to: address)
    }

    /// Ends the capture.
    /// - Returns: Nil where it was impossible.
    package func end() throws(CUDAError) -> CUDAGraph? {
        let driver = session.driver
        var graph: CUDAHandle?, executable: CUDAHandle?
        let status = driver.endCapture(session.stream, &graph)
        defer { if let graph { _ = driver.destroyGraph(graph) } }
        func discard() { for pointer in constants { _ = driver.freeHost(pointer) } }
        if isImpossible {
            discard()
            return nil
        }
        do throws(CUDAError) {
            try driver.check(status, "cuStreamEndCapture")
            try driver.check(driver.instantiate(&executable, graph, 0), "cuGraphInstantiate")
            guard let executable else { throw .call("cuGraphInstantiate", reason: "it gave no graph") }
            return CUDAGraph(session, executable: executable, constants: constants)
        } catch {
            discard()
            throw error
        }
    }
}
