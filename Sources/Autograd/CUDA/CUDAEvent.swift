/// A mark in a stream: what comes before it is done once it has passed. Two of them measure time on the device.
package final class CUDAEvent {
    private let driver: CUDADriver
    private let handle: CUDAHandle

    /// - Parameter timed: one that only orders streams is cheaper.
    package init(_ driver: CUDADriver, timed: Bool = true) throws(CUDAError) {
        var handle: CUDAHandle?
        try driver.check(driver.createEvent(&handle, timed ? 0 : 2), "cuEventCreate")
        guard let handle else { throw .call("cuEventCreate", reason: "it gave no event") }
        (self.driver, self.handle) = (driver, handle)
    }

    deinit { _ = driver.destroyEvent(handle) }

    package func record(in stream: CUDAHandle) throws(CUDAError) {
        try driver.check(driver.recordEvent(handle, stream), "cuEventRecord")
    }

    /// What follows in `stream` waits for this mark.
    package func hold(_ stream: CUDAHandle) throws(CUDAError) {
        try driver.check(driver.streamWait(stream, handle, 0), "cuStreamWaitEvent")
    }

    /// Waits on the host until the mark has passed.
    package func wait() throws(CUDAError) { try driver.check(driver.synchronizeEvent(handle), "cuEventSynchronize") }

    /// Seconds between two marks that have passed.
    package func seconds(since start: CUDAEvent) throws(CUDAError) -> Double {
        var milliseconds: Float = 0
        try driver.check(driver.elapsedTime(&milliseconds, start.handle, handle), "cuEventElapsedTime")
        return Double(milliseconds) / 1000
    }
}
