// Package fleet asks the processes of a system how they are: what nanofront dash, status, top and
// targets know of processes, they know from here.
//
//	known := fleet.Known{Instances: instances, Processes: processes, Host: host}
//	var list []*fleet.Subject
//	for _, t := range known.Targets() {
//		list = append(list, fleet.NewSubject(t))
//	}
//	asker := fleet.Asker{Each: time.Second, Within: 5 * time.Second}
//	asker.Ask(ctx, time.Now(), list)
//	for _, s := range list { fmt.Println(s.Name(), s.Err, s.Age(time.Now())) }
//
// [Known] says from what discovery knows who there is, and at which address each is reached from
// this machine. [Asker] asks them all at their admin ports, several at a time, each for no longer
// than it is told; a [Subject] holds what its process said, and since when it says nothing.
//
// Pitfall: a Subject that isn't heard keeps what it last said. Whoever shows it must look at its
// age, or at Err.
package fleet
