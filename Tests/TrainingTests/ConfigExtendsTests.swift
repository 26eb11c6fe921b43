import Configuration
import Foundation
import Testing
import Training

/// One config over another: chains, merging, and what is a file's own.
struct ConfigExtendsTests {
    @Test func chainsMergeDeeply() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "a.json",
            #"{"name": "a", "description": "the base", "model": {"layers": 3, "width": 48, "attention": {"type": "gqa", "heads": 4, "kv_heads": 2, "bias": false}}, "train": {"steps": 7, "batch": 3}}"#
        )
        try folder.write("inner/b.json", #"{"extends": "../a.json", "model": {"width": 96, "attention": {"kv_heads": 1}}}"#)
        let path = try folder.write("c.json", #"{"extends": "inner/b.json", "model": {"layers": 5}, "train": {"batch": 9}}"#)
        let config = try RunConfig(path: path)
        #expect(config.name == "c", "a name is a file's own, not inherited")
        #expect(config.resolved["description"] == nil, "a description is a file's own, not inherited")
        #expect(config.resolved["extends"] == nil, "nothing is left to extend")
        #expect(config.resolved[path: "model.layers"] == 5)
        #expect(config.resolved[path: "model.width"] == 96)
        #expect(config.resolved[path: "model.attention.type"] == "gqa")
        #expect(config.resolved[path: "model.attention.heads"] == 4)
        #expect(config.resolved[path: "model.attention.kv_heads"] == 1)
        #expect(config.resolved[path: "model.attention.bias"] == false)
        #expect(config.train.steps == 7 && config.train.batch == 9)
    }

    @Test func aNameOfItsOwnIsKept() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.json", #"{"name": "a"}"#)
        let path = try folder.write("b.json", #"{"extends": "a.json", "name": "mine"}"#)
        #expect(try RunConfig(path: path).name == "mine")
    }

    @Test func circlesAreRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.json", #"{"extends": "b.json"}"#)
        try folder.write("b.json", #"{"extends": "c.json"}"#)
        try folder.write("c.json", #"{"extends": "./a.json"}"#)
        let text = message { _ = try RunConfig(path: "\(folder.path)/a.json") }
        #expect(text.contains("a.json → b.json → c.json → a.json"), "\(text)")
        let own = try folder.write("own.json", #"{"extends": "own.json"}"#)
        #expect(message { _ = try RunConfig(path: own) }.contains("extends itself"))
    }

    @Test func missingBase() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.json", #"{"extends": "smal.json"}"#)
        let text = message { _ = try RunConfig(path: path) }
        #expect(text.hasPrefix(path) && text.contains("extends") && text.contains("smal.json is not there"), "\(text)")
        let second = try folder.write("b.json", #"{"extends": "a.json"}"#)
        let inner = message { _ = try RunConfig(path: second) }
        #expect(inner.contains("a.json: extends: smal.json"), "the file that is wrong is named: \(inner)")
        let list = try folder.write("list.json", #"{"extends": ["a.json"]}"#)
        #expect(message { _ = try RunConfig(path: list) }.contains("expected the path of a config file"))
    }

    /// A mistake in a base is a mistake at the path it has, whichever file it came from.
    @Test func aBaseThatIsNoJSON() throws {
        let folder = try TemporaryFolder()
        let base = try folder.write("a.json", "{\"model\": {\"layers\": 3,}\n")
        let path = try folder.write("b.json", #"{"extends": "a.json"}"#)
        #expect(message { _ = try RunConfig(path: path) }.hasPrefix("\(base): not valid JSON"))
    }

    /// A new type drops the options that it does not have and keeps the others.
    @Test func aNewTypeDropsForeignOptions() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "a.json",
            #"{"model": {"width": 48, "attention": {"type": "gqa", "heads": 4, "kv_heads": 2, "qk_norm": true}, "position": {"type": "rope", "base": 500}, "norm": {"type": "layernorm", "bias": false, "placement": "both"}}, "optimizer": {"type": "adamw", "lr": 0.5, "betas": [0.8, 0.9]}}"#
        )
        let path = try folder.write(
            "b.json",
            #"{"extends": "a.json", "model": {"attention": "mha", "position": "learned", "norm": {"type": "rmsnorm"}}, "optimizer": "sgd"}"#
        )
        let config = try RunConfig(path: path)
        #expect(config.resolved[path: "model.attention.kv_heads"] == nil)
        #expect(config.resolved[path: "model.attention.heads"] == 4)
        #expect(config.resolved[path: "model.attention.qk_norm"] == true)
        #expect(config.resolved[path: "model.position"] == ["type": "learned"])
        #expect(config.resolved[path: "model.norm.bias"] == nil)
        #expect(config.resolved[path: "model.norm.placement"] == "both", "placement is every norm's")
        #expect(config.resolved[path: "optimizer.type"] == "sgd")
        #expect(config.resolved[path: "optimizer.lr"] == 0.1, "a rate is an optimizer's own")
        #expect(config.resolved[path: "optimizer.betas"] == nil)
    }

    /// Naming the type again that stands there already changes nothing.
    @Test func theSameTypeKeepsEverything() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.json", #"{"model": {"position": {"type": "rope", "base": 500}}}"#)
        let path = try folder.write("b.json", #"{"extends": "a.json", "model": {"position": "rope"}}"#)
        #expect(try RunConfig(path: path).resolved[path: "model.position.base"] == 500)
    }

    /// `"norm": "rmsnorm"` is `"norm": {"type": "rmsnorm"}`, in the base as in what is laid over it.
    @Test func bareNames() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.json", #"{"model": {"mlp": "swiglu", "width": 48}, "data": {"tokenizer": "byte"}, "schedule": "cosine"}"#)
        let path = try folder.write(
            "b.json", #"{"extends": "a.json", "model": {"mlp": {"hidden": 100}}, "schedule": {"warmup": 3}}"#)
        let config = try RunConfig(path: path)
        #expect(config.resolved[path: "model.mlp.type"] == "swiglu")
        #expect(config.resolved[path: "model.mlp.hidden"] == 100)
        #expect(config.resolved[path: "schedule.type"] == "cosine")
        #expect(config.resolved[path: "schedule.warmup"] == 3)
        #expect(config.resolved[path: "data.tokenizer"] == ["type": "byte"])
    }

    @Test func layerPatternsReplaceAndAreReplaced() throws {
        let base: JSON = [
            "model": ["layers": 3, "width": 24, "attention": ["type": "mha", "heads": 2], "mlp": ["by_layer": ["gelu", "swiglu"]]]
        ]
        let changed = try RunConfig(RunConfig.applying(["model.mlp=relu2", #"model.attention.heads={"by_layer": [2, 3]}"#], to: base))
        #expect(changed.resolved[path: "model.mlp.type"] == "relu2")
        #expect(changed.resolved[path: "model.attention.heads"] == ["by_layer": [2, 3, 2]])
    }

    /// A mistake is looked for where it was written, not in the file that was named.
    @Test func theFileThatSaysIt() throws {
        let folder = try TemporaryFolder()
        try folder.write("base.json", #"{"model": {"layers": "x", "mlp": {"hiden": 3}, "attention": {"heads": 5}, "width": 24}}"#)
        let child = try folder.write("child.json", #"{"extends": "base.json", "model": {"attention": {"window": 3}}}"#)
        #expect(message { _ = try RunConfig(path: child) }.hasPrefix("\(folder.path)/base.json: model.layers"))
        let layers = ["model.layers=2"]
        #expect(message { _ = try RunConfig(path: child, overrides: layers) }.hasPrefix("\(folder.path)/base.json: model.mlp: unknown key"))
        try folder.write("base.json", #"{"model": {"layers": 2, "width": 24}}"#)
        #expect(message { _ = try RunConfig(path: child, overrides: ["model.layers=x"]) }.hasPrefix("\(child): model.layers"))
        #expect(message { _ = try RunConfig(path: child, overrides: ["model.attention.window=-3"]) }.hasPrefix("\(child): model.attention"))
    }
}
