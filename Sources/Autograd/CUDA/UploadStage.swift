/// Bytes on their way to the device: copied into page-locked memory, sent on a stream of their own while kernels run, and put in place
/// when the stream of kernels comes to it. So a batch is on the device before the step before it has ended, and the host never waits
/// but for room.
package final class UploadStage {
    private struct Slot {
        let host: UnsafeMutableRawPointer
        let device: DeviceAddress
        /// Passed when the bytes are on the device; when they have been put in place.
        let sent: CUDAEvent, taken: CUDAEvent
    }
    private let session: CUDASession
    private let stream: CUDAHandle
    private var slots: [Slot] = []
    private var next = 0

    private static let slotBytes = 256 << 10, slotCount = 16
    /// Bytes of the device's memory that it takes.
    package static let byteCount = slotBytes * slotCount

    package init(_ session: CUDASession) throws(CUDAError) {
        var stream: CUDAHandle?
        try session.driver.check(session.driver.createStream(&stream, 1), "cuStreamCreate")
        guard let stream else { throw .call("cuStreamCreate", reason: "it gave no stream") }
        (self.session, self.stream) = (session, stream)
    }

    deinit {
        _ = session.driver.synchronizeStream(stream)
        for slot in slots {
            _ = session.driver.freeHost(slot.host)
            try? session.free(slot.device)
        }
        _ = session.driver.destroyStream(stream)
    }

    /// Copies the bytes before it returns; they are at `address` for whatever the session's stream is asked for next.
    package func send(_ bytes: UnsafeRawBufferPointer, to address: DeviceAddress) throws(CUDAError) {
        guard let source = bytes.baseAddress else { return }
        var start = 0
        while start < bytes.count {
            let count = min(Self.slotBytes, bytes.count - start), slot = try slot()
            slot.host.copyMemory(from: source + start, byteCount: count)
            try slot.taken.hold(stream)
            try session.driver.check(session.driver.copyToDevice(slot.device, slot.host, count, stream), "cuMemcpyHtoDAsync")
            try slot.sent.record(in: stream)
            try slot.sent.hold(session.stream)
            try session.copy(from: slot.device, to: address + DeviceAddress(start), byteCount: count)
            try slot.taken.record(in: session.stream)
            start += count
        }
    }

    /// The slot that has waited longest, its host memory free to be written.
    private func slot() throws(CUDAError) -> Slot {
        if slots.count < Self.slotCount {
            let host = try session.allocateHost(byteCount: Self.slotBytes)
            do throws(CUDAError) {
                let slot = Slot(
                    host: host, device: try session.allocate(byteCount: Self.slotBytes),
                    sent: try CUDAEvent(session.driver, timed: false), taken: try CUDAEvent(session.driver, timed: false))
                slots.append(slot)
                return slot
            } catch {
                _ = session.driver.freeHost(host)
                throw error
            }
        }
        let slot = slots[next]
        next = (next + 1) % slots.count
        try slot.sent.wait()
        return slot
    }
}
