// Package recording is a file of recorded requests and their answers: what stands in it
// ([Header], [Record], [Summary]), how it is written ([Create]) and read ([Open]), and how whatever
// a client may want kept to itself is replaced before it gets there ([Redactor]).
// docs/recording.md has the bytes.
//
//	r, err := recording.Open("traffic.nfrec") // refuses one that has expired
//	...
//	defer r.Close()
//	var rec recording.Record
//	for {
//		if err := r.Next(&rec); err == io.EOF {
//			break
//		} else if err != nil {
//			return err
//		}
//		...
//	}
//
// Pitfalls: a Record's slices are used again by the next Next, its strings are not. Times are those
// of the instances' clocks. A file may come from anywhere, so the Reader takes nothing on trust:
// each length is bounded before memory is set aside for it.
package recording
