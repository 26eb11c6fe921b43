import Configuration
import Foundation
import Testing
import Training

/// `--set key.path=value`, and the resolved config.
struct ConfigOverrideTests {
    func resolved(_ overrides: String...) throws -> JSON { try tiny(overrides).resolved }

    @Test func valuesAreJSONOrStrings() throws {
        #expect(try resolved("model.layers=4")[path: "model.layers"] == 4)
        #expect(try resolved("optimizer.lr=1e-4")[path: "optimizer.lr"] == 0.0001)
        #expect(try resolved("optimizer.betas=[0.8, 0.99]")[path: "optimizer.betas"] == [0.8, 0.99])
        #expect(try resolved("train.eval_batches=null")[path: "train.eval_batches"] == .null)
        #expect(try resolved("model.attention.bias=false")[path: "model.attention.bias"] == false)
        #expect(try resolved("name=plain words")["name"] == "plain words")
        #expect(try resolved("name=\"7\"")["name"] == "7")
        #expect(try resolved("data.source=a=b.txt")[path: "data.source"] == "a=b.txt", "only the first = divides")
    }

    @Test func laterOnesWin() throws {
        #expect(try resolved("model.layers=4", "model.layers=5")[path: "model.layers"] == 5)
    }

    @Test func nestedObjectsMerge() throws {
        let json = try resolved(#"model={"attention": {"qk_norm": true}, "layers": 1}"#)
        #expect(json[path: "model.attention.qk_norm"] == true)
        #expect(json[path: "model.attention.heads"] == 2, "what is not named stays")
        #expect(json[path: "model.width"] == 24)
    }

    @Test func ontoABareName() throws {
        let base: JSON = ["model": ["norm": "rmsnorm", "width": 24, "attention": ["heads": 2]], "optimizer": "sgd"]
        let config = try RunConfig(RunConfig.applying(["model.norm.placement=both", "optimizer.lr=0.25"], to: base))
        #expect(config.resolved[path: "model.norm.type"] == "rmsnorm")
        #expect(config.resolved[path: "model.norm.placement"] == "both")
        #expect(config.resolved[path: "optimizer.type"] == "sgd" && config.resolved[path: "optimizer.lr"] == 0.25)
    }

    @Test func aBareNameOverOptions() throws {
        let json = try resolved("optimizer=sgd", "schedule=constant", "model.position=rope", "data.tokenizer=char")
        #expect(json[path: "optimizer.type"] == "sgd" && json[path: "optimizer.betas"] == nil)
        #expect(json[path: "optimizer.lr"] == 0.1, "sgd's own rate, not AdamW's")
        #expect(json[path: "optimizer.grad_clip"] == 1, "a norm means the same to both")
        #expect(json[path: "schedule.min_lr"] == nil, "nothing that constant has")
        #expect(json[path: "schedule.type"] == "constant" && json[path: "schedule.warmup"] == 5)
        #expect(json[path: "model.position.base"] == 10000)
        #expect(json[path: "data.tokenizer"] == ["type": "char"])
    }

    @Test func aSectionThatTheConfigLeavesOut() throws {
        let config = try RunConfig(RunConfig.applying(["schedule.warmup=3", "optimizer.lr=0.5"], to: ["model": ["width": 24]]))
        #expect(config.resolved[path: "schedule.type"] == "constant" && config.resolved[path: "schedule.warmup"] == 3)
        #expect(config.resolved[path: "optimizer.type"] == "adamw" && config.resolved[path: "optimizer.lr"] == 0.5)
    }

    @Test(arguments: ["model.layers", "=4", "model..layers=4", ".layers=4", "model.=4", ""])
    func malformed(text: String) {
        let found = message { _ = try RunConfig.applying([text], to: tinyConfig) }
        #expect(found.contains("--set \(text)"), "\(found)")
    }

    @Test func unknownPathsAreRefused() {
        let found = message { _ = try tiny(["model.atention.heads=3"]) }
        #expect(found.contains("\"atention\"") && found.contains("did you mean \"attention\""), "\(found)")
    }

    /// What is saved with a run gives the same run.
    @Test(arguments: configNames)
    func resolvedAgainIsTheSame(name: String) throws {
        let first = try RunConfig(path: "\(repository)/configs/\(name).json")
        let folder = try TemporaryFolder()
        let path = try folder.write("config.json", first.resolved.text())
        let again = try RunConfig(path: path)
        #expect(again.resolved == first.resolved)
        #expect(again.name == name)
        #expect(again.train.json == first.train.json)
    }

    @Test func resolvedNamesEveryOption() throws {
        let config = try tiny()
        #expect(config.resolved[path: "model.embedding.pad_to"] == 1)
        #expect(config.resolved[path: "optimizer.eps"] == 1e-8)
        #expect(config.resolved[path: "schedule.momentum_warmup"] == 0)
        #expect(config.resolved[path: "data.validation_fraction"] == 0.1)
        #expect(config.resolved[path: "train.precision"] == "auto")
        for option in TrainOptions.descriptions { #expect(config.resolved["train"]?[option.name] != nil, "\(option.name)") }
    }
}
