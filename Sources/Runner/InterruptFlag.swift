import Dispatch
import Foundation
import Synchronization

/// Whether Ctrl-C was pressed (or the process told to end) since this was made. A second time ends the process at once.
final class InterruptFlag {
    private final class Count: Sendable {
        let pressed = Atomic<Int>(0)
    }
    private let count = Count()
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "interrupt")
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for source in sources {
            source.setEventHandler { [count] in
                if count.pressed.add(1, ordering: .relaxed).newValue > 1 { exit(130) }
            }
            source.resume()
        }
    }

    deinit {
        for source in sources { source.cancel() }
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }

    var isSet: Bool { count.pressed.load(ordering: .relaxed) > 0 }
}
