import Configuration
import Foundation
import Testing
import Training

struct BudgetTests {
    @Test(arguments: [
        ("tokens=2M", Budget.Unit.tokens, 2e6), ("tokens=2B", .tokens, 2e9), ("flops=1.5P", .flops, 1.5e15), ("flops=1e15", .flops, 1e15),
        ("seconds=0.5", .seconds, 0.5), ("steps=3k", .steps, 3000), ("steps=.5K", .steps, 500), ("flops=2E", .flops, 2e18),
    ])
    func reading(text: String, unit: Budget.Unit, amount: Double) throws {
        let budget = try Budget(text)
        #expect(budget.unit == unit && budget.amount == amount)
        #expect(try Budget(budget.description) == budget, "\(budget.description) is read back")
    }

    @Test(arguments: [
        ("2M", "expected UNIT=AMOUNT"), ("tokns=5", "did you mean tokens?"), ("tokens=", "\"\" is not an amount"),
        ("tokens=M", "is not an amount"), ("tokens=5m", "is not an amount"), ("tokens=inf", "is not an amount"),
        ("tokens=nan", "is not an amount"), ("tokens=0x10", "is not an amount"), ("tokens=0", "above zero"), ("tokens=-1", "above zero"),
        ("tokens=1e300", "at most 1e30"), ("seconds=5 s", "is not an amount"),
    ])
    func mistakes(text: String, words: String) {
        let text = message { _ = try Budget(text) }
        #expect(text.contains(words) && text.contains("--budget"), "\(text)")
    }
}

struct GridTests {
    @Test func axes() throws {
        let axis = try GridAxis("model.attention.kv_heads=1,2,4")
        #expect(axis.key == "model.attention.kv_heads" && axis.values == ["1", "2", "4"])
        let nested = try GridAxis(#"model.attention={"type":"gqa","heads":4},mha,[1,2],"a,b""#)
        #expect(nested.values == [#"{"type":"gqa","heads":4}"#, "mha", "[1,2]", #""a,b""#])
        for text in ["model.layers", "=1,2", "a=", "a=1,,2", "a=1,2,1"] {
            #expect(message { _ = try GridAxis(text) }.contains("--grid \(text)"))
        }
    }
}
