import Foundation
import Runner

exit(LoomCommandLine.run(arguments: CommandLine.arguments))
