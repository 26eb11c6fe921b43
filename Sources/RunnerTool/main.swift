import Autograd
import Foundation
import Runner

BLASCore.relaunchIfOutdated()
exit(LoomCommandLine.run(arguments: CommandLine.arguments))
