// Package program makes a program of a handler, with what nanofront's own backends have: flags and
// their environment variables (--help lists them), etcd or a static table, an admin port with
// health, metrics and profiles, StatsD, the log on standard error, and signals: the first SIGTERM,
// SIGINT or SIGHUP drains, and a log that is no longer read doesn't stop the program.
//
//	func main() {
//		program.Main("greeter", handlers.HandlerFunc(greet))
//	}
//
//	greeter --bus tcp://10.0.0.7:0 --etcd http://10.0.0.1:2379
//
// It is apart from package handlers because it links etcd's client and the flags, which a program
// that calls [handlers.Run] needn't have. A handler that is more than one function, with clients of
// other services or a stream, is a [Role]:
//
//	program.MainRole("price", func(o handlers.Options) (program.Role, error) {
//		o.Calls = []string{"stock"}
//		rt, err := handlers.New(o)
//		if err != nil {
//			return nil, err
//		}
//		return &price{rt: rt, stock: rt.Client("stock")}, nil
//	})
//
// where price.Runtime returns rt, and price.Run calls rt.Run, RunBatch or RunStream. nanofront's
// own programs, which have flags of their own, embed [Flags] and call their Serve.
package program
