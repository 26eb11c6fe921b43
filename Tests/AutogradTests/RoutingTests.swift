import Autograd
import Foundation
import Testing

/// Routing of a mixture of experts against its equations in double precision.
struct RoutingTests {
    /// Softmax of each row, and the experts of each row from the likeliest on.
    static func softmax(_ x: [Double], experts: Int) -> (probabilities: [[Double]], order: [[Int]]) {
        let rows = stride(from: 0, to: x.count, by: experts).map { start -> [Double] in
            let powers = x[start..<start + experts].map { exp($0) }
            return powers.map { $0 / powers.reduce(0, +) }
        }
        return (rows, rows.map { row in row.indices.sorted { row[$0] > row[$1] } })
    }

    @Test(arguments: [(rows: 7, experts: 5, k: 2), (rows: 1, experts: 3, k: 3), (rows: 9, experts: 4, k: 1), (rows: 4, experts: 1, k: 1)])
    func weightsAndBalance(rows: Int, experts: Int, k: Int) {
        check(
            OperationCase("weights of \(k) of \(experts)", [[rows, experts]]) {
                $1[0].routed(top: k).weights
            } reference: {
                let (probabilities, order) = RoutingTests.softmax($0[0], experts: experts)
                return zip(probabilities, order).flatMap { row, best -> [Double] in
                    let sum = best.prefix(k).reduce(0) { $0 + row[$1] }
                    return best.prefix(k).map { row[$0] / sum }
                } + [0]
            })
        check(
            OperationCase("balance of \(k) of \(experts)", [[rows, experts]]) {
                $1[0].routed(top: k).balance
            } reference: {
                let (probabilities, order) = RoutingTests.softmax($0[0], experts: experts)
                let terms = (0..<experts).map { expert -> Double in
                    let chosen = order.count { $0.prefix(k).contains(expert) }
                    return Double(chosen) / Double(rows) * probabilities.reduce(0) { $0 + $1[expert] } / Double(rows)
                }
                return [Double(experts) / Double(k) * terms.reduce(0, +)]
            })
    }

    @Test func everyRowGoesToItsExperts() {
        let context = TestDevice.context(threads: 1), x = context.tensor(random(40 * 6, stream: 3), [40, 6])
        let routing = x.routed(top: 2)
        #expect(routing.rows.reduce(0) { $0 + $1.count } == 80 && abs(routing.shares.reduce(0, +) - 1) < 1e-6)
        let values = x.floats, weights = routing.weights.floats
        for (expert, (rows, places)) in zip(routing.rows, routing.places).enumerated() {
            #expect(rows.map { $0 * 2 } == places.map { $0 / 2 * 2 } && rows == rows.sorted())
            for row in rows {
                let better = (0..<6).count { values[Int(row) * 6 + $0] > values[Int(row) * 6 + expert] }
                #expect(better < 2)
            }
        }
        #expect(
            stride(from: 0, to: 80, by: 2).allSatisfy { abs(weights[$0] + weights[$0 + 1] - 1) < 1e-6 && weights[$0] >= weights[$0 + 1] })
        // Alike everywhere: balance is one; always the same expert: as many as there are.
        #expect(abs(context.tensor([5, 0, 0, 5] as [Float], [2, 2]).routed(top: 1).balance.item - 1) < 1e-5)
        #expect(abs(context.tensor([50, 0, 50, 0] as [Float], [2, 2]).routed(top: 1).balance.item - 2) < 1e-5)
    }

    @Test func scatteredRows() {
        let ids: [[Int32]] = [[0, 2, 3], [2, 0]]
        check(
            OperationCase("scattered rows", [[3, 5], [2, 5]]) { context, parts in
                Tensor.scattered(
                    zip(parts, ids).map { ($0, context.tensor($1, [$1.count])) }, to: 4, width: 5, on: context)
            } reference: { parts in
                var y = [Double](repeating: 0, count: 20)
                for (part, ids) in zip(parts, ids) {
                    for (index, id) in ids.enumerated() { for c in 0..<5 { y[Int(id) * 5 + c] += part[index * 5 + c] } }
                }
                return y
            })
    }
}
