// Package program makes a program of a handler, with what nanofront's own backends have: flags and their
// environment variables (--help lists them), etcd or a static table, an admin port with health, metrics and
// profiles, StatsD, the log on standard error, and signals: the first SIGTERM, SIGINT or
// SIGHUP drains, and nobody who stops reading the log ends what serves.
//
//	func main() {
//		program.Main("greeter", handlers.HandlerFunc(greet))
//	}
//
//	greeter --bus tcp://10.0.0.7:0 --etcd http://10.0.0.1:2379
//
// A program that wants more of its own does as cmd/handler: it embeds [Flags] and calls their Serve.
//
// It is apart from package handlers because it links etcd's client and the flags, which a program that calls
// [handlers.Run] needn't have. A handler that is more than one function, with clients of other
// services or a stream: [MainRole].
package program
