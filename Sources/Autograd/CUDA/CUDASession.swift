/// A GPU at work: its primary context, and one stream that everything goes through in order.
///
/// Used from one thread at a time. Destroying it gives stream and context back; memory that is still allocated goes with the
/// context when nothing else in the process uses it.
package final class CUDASession {
    package let driver: CUDADriver
    package let device: CUDADevice
    package let stream: CUDAHandle

    /// - Throws: `CUDAError`.
    package init(_ driver: CUDADriver, device index: Int = 0) throws(CUDAError) {
        let device = try driver.device(index)
        var context: CUDAHandle?, stream: CUDAHandle?
        try driver.check(driver.retainPrimaryContext(&context, device.ordinal), "cuDevicePrimaryCtxRetain")
        guard let context else { throw .call("cuDevicePrimaryCtxRetain", reason: "it gave no context") }
        do throws(CUDAError) {
            try driver.check(driver.setCurrentContext(context), "cuCtxSetCurrent")
            // Not ordered against the default stream, which other libraries in the process may use.
            try driver.check(driver.createStream(&stream, 1), "cuStreamCreate")
        } catch {
            _ = driver.releasePrimaryContext(device.ordinal)
            throw error
        }
        guard let stream else {
            _ = driver.releasePrimaryContext(device.ordinal)
            throw .call("cuStreamCreate", reason: "it gave no stream")
        }
        (self.driver, self.device, self.stream) = (driver, device, stream)
    }

    deinit {
        _ = driver.synchronizeStream(stream)
        _ = driver.destroyStream(stream)
        _ = driver.releasePrimaryContext(device.ordinal)
    }

    /// Waits for everything that was asked for. An error of an earlier kernel shows here, so `after` names the last one.
    package func synchronize(after kernel: String? = nil) throws(CUDAError) {
        let status = driver.synchronizeStream(stream)
        guard status != 0 else { return }
        if let kernel { throw .launch(kernel: kernel, reason: driver.reason(status)) }
        throw .call("cuStreamSynchronize", reason: driver.reason(status))
    }

    // MARK: Memory

    /// Bytes free and in all on the device; other programs' use counts.
    package func memory() throws(CUDAError) -> (free: Int, total: Int) {
        var free = 0, total = 0
        try driver.check(driver.memoryInfo(&free, &total), "cuMemGetInfo")
        return (free, total)
    }

    /// Device memory, aligned to 256 bytes at least. Zero bytes get the address 0, as the driver refuses them.
    /// - Throws: `CUDAError.outOfMemory` with the sizes.
    package func allocate(byteCount: Int) throws(CUDAError) -> DeviceAddress {
        guard byteCount > 0 else { return 0 }
        var address: DeviceAddress = 0
        let status = driver.allocate(&address, byteCount)
        if status == CUDADriver.Status.outOfMemory {
            // Where even asking fails, the sizes that are known still help.
            let now = (try? memory()) ?? (free: 0, total: device.memory)
            throw .outOfMemory(requested: byteCount, free: now.free, total: now.total)
        }
        try driver.check(status, "cuMemAlloc")
        return address
    }

    /// Page-locked memory of the host, which the device copies from and to by itself; `freeHost` of the driver gives it back.
    package func allocateHost(byteCount: Int) throws(CUDAError) -> UnsafeMutableRawPointer {
        var pointer: UnsafeMutableRawPointer?
        try driver.check(driver.allocateHost(&pointer, max(byteCount, 1), 0), "cuMemHostAlloc")
        guard let pointer else { throw .call("cuMemHostAlloc", reason: "it gave no memory") }
        return pointer
    }

    package func free(_ address: DeviceAddress) throws(CUDAError) {
        guard address != 0 else { return }
        try driver.check(driver.free(address), "cuMemFree")
    }

    /// Copies in the stream's order. The bytes must stay until the stream has come to the copy; memory of the host that is not
    /// page-locked is staged by the driver before this returns.
    package func upload(_ bytes: UnsafeRawBufferPointer, to address: DeviceAddress) throws(CUDAError) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        try driver.check(driver.copyToDevice(address, start, bytes.count, stream), "cuMemcpyHtoDAsync")
    }

    /// Copies and waits for it.
    package func download(
        _ address: DeviceAddress, to bytes: UnsafeMutableRawBufferPointer, after kernel: String? = nil
    ) throws(CUDAError) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        try driver.check(driver.copyToHost(start, address, bytes.count, stream), "cuMemcpyDtoHAsync")
        try synchronize(after: kernel)
    }

    package func copy(from source: DeviceAddress, to target: DeviceAddress, byteCount: Int) throws(CUDAError) {
        guard byteCount > 0 else { return }
        try driver.check(driver.copyOnDevice(target, source, byteCount, stream), "cuMemcpyDtoDAsync")
    }
}
