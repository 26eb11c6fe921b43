/// How each figure was obtained, in plain words.
struct Method {
    let entries: [(term: String, words: String)]

    init(_ data: ReportData, sampleTokens: Int) {
        var entries: [(String, String)] = []
        if data.isComparison {
            entries += [
                (
                    "Validation loss",
                    "After the last step, every finished run was judged by the same tokens of the validation text with the weights it then had. The table shows the mean over seeds and ± half the width of its 95 % interval, t · s / √n with Student's t of n − 1 degrees of freedom. One seed has no interval."
                ),
                (
                    "Difference, p and verdict",
                    "Runs of one seed see the same batches and start alike where their parameters have the same names, so differences are taken seed by seed and then averaged; the interval and p are of the paired t test. \"Within noise\" means p of 0.05 or more: a difference as large would not be rare if there were none. It does not mean that two variants are equal."
                ),
                (
                    "Speeds and memory",
                    "Train tok/s is the median over what each run logged, then over seeds. Decode tok/s was measured after training: one sequence, one token at a time, half the context in the cache. Peak memory is the most that a run's process had while training, as the system counts it."
                ),
            ]
        } else {
            entries += [
                (
                    "Validation loss",
                    "The last that each run logged; runs that differ only in their seed are one variant. ± is the 95 % interval of the mean over seeds."
                ),
                (
                    "Difference",
                    "Seed by seed to the first run named, by the paired t test; without two seeds in common it cannot be judged."
                ),
                ("Train tok/s", "The median over what each run logged. Decoding and memory are measured only by ./runner compare."),
            ]
        }
        entries += [
            (
                "Curves",
                "Training loss is of the one batch of the logged step, validation loss as evaluated while training, mostly over fewer tokens than the final one. Lines are means over the seeds, bands reach from the least to the most of them. Runs that failed or stopped early are drawn thin, ending in ×, and are in no mean. More than \(ReportVariant.mostPoints(variants: data.variants.count)) points are averaged in neighbouring groups. Seconds count training steps only, and are the mean over seeds; tokens are those trained on; FLOPs are tokens × FLOPs/token."
            ),
            (
                "Parameters, FLOPs and KV bytes",
                "Counted from the config, not measured: all trained numbers; 6 FLOPs a parameter in a product plus attention's 12 · heads · head_dim · min(window, context) a layer, for a training token; keys and values in float32, by key/value heads, windows counted."
            ),
            (
                "Pareto front",
                "Joins the variants that no other beats in both loss and cost, by the means; the bars are 95 % intervals, and where they overlap the order on the front may be chance."
            ),
        ]
        if let floor = data.floor {
            entries.append(
                (
                    "Entropy floor",
                    "\(floor.natsPerToken.fixed(4)) nats a token, \(floor.bitsPerByte.fixed(4)) bits a byte: the text is generated, so the probability of the validation text is known exactly, and on average no model can do better."
                ))
        }
        if sampleTokens > 0 {
            entries.append(
                (
                    "Samples",
                    "\(sampleTokens) tokens after a line break, temperature \(VariantSample.temperature), seed \(VariantSample.seed), all alike; made from the last checkpoint of the first finished run, or where there is none, taken from the run's samples folder. Each says which. One sample proves nothing."
                ))
        }
        self.entries = entries
    }
}
