// swift-tools-version: 6.0
import PackageDescription

// A package of its own, with a component of its own. Outside this repository the dependency is
// .package(url: "https://…/loom", branch: "main").
let package = Package(
    name: "custom-component",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "loom", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomRunner",
            dependencies: [
                .product(name: "Loom", package: "loom"), .product(name: "LoomCommandLine", package: "loom"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
