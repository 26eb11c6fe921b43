import Foundation
import Testing

/// Mistakes in configs, each a different one: one line with file, path and remedy, status 2, and no folder made.
struct WrongConfigTests {
    static let base =
        #"{"model": {"attention": {"heads": 2}, "width": 24, "context": 16, "layers": 2}, "data": {"source": "text.txt", "tokenizer": "byte"}, "train": {"steps": 1}}"#

    /// The members of a config over `base.json`, and what the line must have.
    static let mistakes: [(String, [String])] = [
        (#""modle": {}"#, ["unknown key \"modle\"", "did you mean \"model\"?"]),
        (#""model": {"attention": {"head": 3}}"#, ["model.attention: unknown key \"head\"", "did you mean \"heads\"?"]),
        (#""model": {"layers": "four"}"#, ["model.layers: expected a whole number, found \"four\""]),
        (#""model": {"layers": 2.5}"#, ["model.layers: expected a whole number, found 2.5"]),
        (#""model": {"width": 100, "attention": {"heads": 6}}"#, ["model.attention.heads", "100", "use 5 heads, or set head_dim"]),
        (
            #""model": {"attention": {"type": "gqa", "heads": 6, "kv_heads": 4}}"#,
            ["model.attention", "kv_heads 4", "use one of 1, 2, 3, 6"]
        ),
        (#""model": {"attention": {"window": 17}}"#, ["model.attention.window", "longer than the context of 16", "use at most 16"]),
        (#""model": {"norm": "rmsnrom"}"#, ["model.norm.type", "did you mean \"rmsnorm\"?"]),
        (#""model": {"mlp": {"dropout": 1.5}}"#, ["model.mlp.dropout: must be at least 0 and below 1, found 1.5"]),
        (#""model": {"mlp": {"by_layer": []}}"#, ["model.mlp", "at least one value"]),
        (#""model": {"vocab_size": 100}"#, ["model.vocab_size", "100", "256"]),
        (#""model": {"attention": "mha", "position": {"type": "rope", "bsae": 1}}"#, ["model.position", "did you mean \"base\"?"]),
        (#""optimizer": "adam""#, ["optimizer.type", "did you mean \"adamw\"?"]),
        (#""optimizer": null"#, ["optimizer: expected a component's name or an object", "found null"]),
        (#""optimizer": {"betas": [0.9]}"#, ["optimizer: betas must be two numbers, found 1"]),
        (#""optimizer": {"groups": {"norms": {"lr": 1}}}"#, ["optimizer.groups", "did you mean \"norm\"?"]),
        (#""schedule": {"type": "cosine", "min_lr": 1}"#, ["schedule.min_lr", "above optimizer.lr 0.001", "lower it"]),
        (#""schedule": {"type": "constant", "min_lr": 1e-5}"#, ["schedule: unknown key \"min_lr\""]),
        (#""schedule": {"type": "cosine", "momentum_end": 0.8}"#, ["schedule: unknown key \"momentum_end\""]),
        (#""train": {"sample_tokens": 200000000}"#, ["train.sample_tokens: must be at least 0 and at most 1000000"]),
        (#""train": {"batch": 1048576}, "model": {"context": 65536}"#, ["train.batch", "68719476736 tokens", "lower it"]),
        (
            #""train": {"batch": 1000000}, "model": {"mlp": {"hidden": 1000000}}"#,
            ["train.batch", "GiB", "lower train.batch", "train.recompute"]
        ),
        (#""data": {"source": "stories", "characters": 1000000000000000000}"#, ["data.characters: must be at least 1000 and at most"]),
        (
            #""data": {"tokenizer": {"type": "bpe", "vocab_size": 5000}}, "model": {"vocab_size": 5000}"#,
            ["model.vocab_size", "5000 tokens", "too short", "--data FILE"]
        ),
        (#""data": {"tokenizer": "byte"}, "model": {"vocab_size": 100}"#, ["model.vocab_size", "100 tokens", "has 256"]),
        (#""schedule": "cosin""#, ["schedule.type", "did you mean \"cosine\"?"]),
        (#""train": {"steps": -1}"#, ["train.steps: must be at least 0, found -1"]),
        (#""train": {"precision": "bf16"}"#, ["train.precision: expected one of", "found \"bf16\""]),
        (#""data": {"tokenizer": {"type": "bpe", "vocab_size": 100}}"#, ["data.tokenizer.vocab_size: must be at least 256"]),
        (#""data": {"source": "storeis"}"#, ["data.source", "did you mean 'stories'?"]),
        (#""data": {"source": "no/such.txt"}"#, ["data.source", "no/such.txt", "no such file"]),
        (#""name": "a/b""#, ["name: \"a/b\" cannot name a folder"]),
        (#""extends": "bse.json""#, ["extends", "bse.json is not there"]),
        (#""extends": "wrong.json""#, ["extends itself", "break the circle"]),
    ]

    @Test(arguments: mistakes)
    func oneLine(mistake: String, words: [String]) throws {
        let place = try Place()
        try place.writeTiny()
        try place.write("base.json", WrongConfigTests.base)
        try place.write("wrong.json", mistake.contains("extends") ? "{\(mistake)}" : "{\"extends\": \"base.json\", \(mistake)}")
        expectRefused(try place.run("train", "wrong.json", "--out", "run"), ["runner: wrong.json: "] + words)
        #expect(!place.has("run"), "a refused config leaves no folder")
    }

    @Test(arguments: ["", "{", "[1]", "nonsense", #"{"train": {"batch": 1e999}}"#, #"{"model": {"layers": 3}"#])
    func filesThatAreNoConfig(text: String) throws {
        let place = try Place()
        try place.write("wrong.json", text)
        expectRefused(try place.run("train", "wrong.json", "--out", "run"), ["runner: wrong.json: "])
    }

    @Test func missingFiles() throws {
        let place = try Place()
        try place.write("small.json", "{}")
        expectRefused(try place.run("train", "smal.json"), ["smal.json: no such file", "did you mean small.json?"])
        expectRefused(try place.run("train", "."), ["is a folder"])
        expectRefused(try place.run("inspect", "small.json", "--set", "model.layer=3"), ["did you mean \"layers\"?"])
        expectRefused(try place.run("inspect", "small.json", "--set", "model.layers"), ["expected key.path=value"])
        expectRefused(try place.run("diff", "small.json", "small.jso"), ["did you mean small.json?"])
    }
}
