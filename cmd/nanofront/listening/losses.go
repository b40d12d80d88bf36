package listening

// Losses are the copies that were not passed on.
type Losses struct {
	There uint64 // dropped by the instances, as they were not read fast enough
	Here  uint64 // dropped here, as they were not worked on fast enough
}

// source is an instance that is listened to.
type source struct{ service, instance string }

func (s source) String() string { return s.service + "/" + s.instance }

// drops adds up what instances say to have dropped.
type drops struct {
	gone uint64 // on links that have gone
	last map[source]uint64
}

// add takes note of what an instance has dropped. It counts for each link: a
// smaller number is that of a new one.
func (d *drops) add(s source, n uint64) {
	if was := d.last[s]; n < was {
		d.gone += was
	}
	d.last[s] = n
}

func (d *drops) sum() uint64 {
	n := d.gone
	for _, last := range d.last {
		n += last
	}
	return n
}
