// Package slots numbers the processes of a role on one machine, so that what is measured of them
// has a name that is the same after a restart, and there are no more names than processes at once:
//
//	s, err := slots.Take(slots.Dir(), "terminator")
//	…
//	defer s.Close()
//	s.Number // 1, if no other one runs
//
// A number is a lock on a file, which the kernel gives back however a process ends.
package slots
