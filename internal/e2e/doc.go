// Package e2e tests the built programs as a user starts them: processes with
// flags, signals and exit codes, on free ports of the loopback interface.
//
// TestMain builds the programs once. A test starts what it needs:
//
//	sys := startUp(t)                     // nanofront up, and waits until it is up
//	front := startFront(t, frontOptions{}) // a terminator and echo handlers, without etcd
//
// and puts load on it with a client that hides nothing:
//
//	l := startLoad(t, sys.http, 16, reading)
//	l.more(t, 500)      // that many further answers
//	l.stop().allOK(t)   // every request that was sent got a 200
//
// That client is not net/http's, which sends a request again, unseen, when a
// connection that was kept open fails: what these tests are to find.
//
// Other people's clients are command lines, those in testdata/clients among them;
// a test is skipped where one is not installed:
//
//	python(t, "ordinary.py").run(t, "", sys.http)
//
// Tests that mostly wait are parallel; those that measure are not.
//
// Processes end with their test. One that has to be killed for it fails the
// test. The tests that look for child processes read /proc and are skipped
// where there is none.
package e2e
