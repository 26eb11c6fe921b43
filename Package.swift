// swift-tools-version: 6.0
import PackageDescription

// One way in, one way down: each target may import only those above it in this list.
let package = Package(
    name: "loom",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "runner", targets: ["RunnerTool"]),
        .library(
            name: "Loom",
            targets: [
                "Configuration", "Autograd", "Text", "Formats", "Components", "Optimizers", "Architectures", "Training", "Interop",
                "Analysis", "Reports",
            ]),
        .library(name: "LoomCommandLine", targets: ["Runner"]),
    ],
    targets: [
        .systemLibrary(
            name: "OpenBLAS", pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        .target(name: "Kernels"),
        .target(name: "Configuration"),
        .target(name: "Autograd", dependencies: ["Kernels", "OpenBLAS"]),
        .target(name: "Formats", dependencies: ["Configuration"]),
        .target(name: "Text", dependencies: ["Autograd", "Configuration", "Formats"]),
        .target(name: "Components", dependencies: ["Autograd", "Configuration"]),
        .target(name: "Optimizers", dependencies: ["Autograd", "Components", "Configuration"]),
        .target(name: "Architectures", dependencies: ["Autograd", "Components", "Configuration"]),
        .target(
            name: "Training",
            dependencies: ["Architectures", "Autograd", "Components", "Configuration", "Formats", "Optimizers", "Text"]),
        .target(
            name: "Interop",
            dependencies: ["Architectures", "Autograd", "Components", "Configuration", "Formats", "Text", "Training"]),
        .target(name: "Reports", dependencies: ["Architectures", "Autograd", "Configuration", "Text", "Training"]),
        .target(
            name: "Analysis",
            dependencies: ["Architectures", "Autograd", "Components", "Configuration", "Formats", "OpenBLAS", "Text", "Training"]),
        .target(
            name: "Runner",
            dependencies: [
                "Analysis", "Architectures", "Autograd", "Components", "Configuration", "Formats", "Interop", "Optimizers", "Reports",
                "Text", "Training",
            ]),
        .executableTarget(name: "RunnerTool", dependencies: ["Runner"]),
        // What several of the tests need.
        .target(name: "TestSupport", path: "Tests/Support"),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
        .testTarget(name: "AutogradTests", dependencies: ["Autograd", "Kernels"]),
        .testTarget(name: "TextTests", dependencies: ["Formats", "TestSupport", "Text"]),
        .testTarget(name: "FormatsTests", dependencies: ["Autograd", "Formats", "TestSupport"]),
        .testTarget(name: "InteropTests", dependencies: ["Interop", "TestSupport"]),
        .testTarget(name: "ComponentsTests", dependencies: ["Components", "Architectures"]),
        .testTarget(name: "OptimizersTests", dependencies: ["Optimizers", "Training"]),
        .testTarget(name: "ArchitecturesTests", dependencies: ["Architectures", "TestSupport", "Training"]),
        .testTarget(name: "TrainingTests", dependencies: ["Training"]),
        .testTarget(name: "AnalysisTests", dependencies: ["Analysis"]),
        .testTarget(name: "ReportsTests", dependencies: ["Autograd", "Configuration", "Reports", "Training"]),
        .testTarget(name: "RunnerTests", dependencies: ["Runner"]),
    ],
    swiftLanguageModes: [.v6]
)
