// Package held keeps requests that handlers answer later: each is an exchange whose connection waits, and nothing
// else. It costs no goroutine, no place of a window and no share of admission; while anything is held there is one
// goroutine that keeps the timeouts.
//
// A [Table] knows what is held, by the call's id, and when its time is up. A [Keeper] stands between the bus, from
// which answers come, and the exchanges: it wakes some tens of them at once, and the others on a goroutine of its own,
// so that whoever brings answers, such as the reader of a link, isn't kept by writing to clients.
package held
