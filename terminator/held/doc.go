// Package held keeps requests that handlers answer later: each is only an exchange whose connection
// waits. It takes no goroutine, no credit and no share of admission; while anything is held, one
// goroutine enforces the timeouts.
//
// A [Table] knows what is held, by the call's id, and when its time is up. A [Keeper] stands
// between the exchanges and the bus that answers them: it wakes a few dozen itself, and the others
// on a goroutine of its own, so that writing to clients doesn't delay whatever brings the answers,
// such as a link's reader.
package held
