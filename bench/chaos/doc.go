// Package chaos does to a system what happens to systems, under load, and checks the books after
// it.
//
//	outcome, err := chaos.Run(ctx, chaos.Options{Bin: "bin", Dir: dir})
//	if err != nil {
//		return err
//	}
//	outcome.Print(os.Stdout, 100, true)
//
// The system is of real programs: etcd, a terminator, and three handlers that keep a ledger
// (handlers/ledger). Each [Fault] gets a load of its own, an open loop of reads and one of writes:
//
//	calm ───── inject ───── the fault ───── heal ───── after ───── books
//
// # Books
//
// What was sent is what was answered, refused, timed out and failed, for the client and for the
// front. A write is never in the ledger twice; it is there if it was answered, and isn't if it was
// refused.
//
// # Expectations
//
// They are of counts: how many requests a fault may cost, of reads, which may be sent once more,
// and of writes, which may not. Of time there is only how soon nothing is lost any more, since a
// machine that has other work to do is slow without a fault.
//
// A fault that the machine doesn't allow (a network namespace needs root) is left out, and said so.
// Jumps of the clock take programs that are built for it, from the source, see clock.go.
package chaos
