package listening

import (
	"testing"

	listen "nanofront/nanobus/tap"
)

func TestQueue_Bounded(t *testing.T) {
	q := newQueue()
	big := make([]byte, 1<<20)
	for range 20 {
		q.copied(listen.Copy{Body: big})
	}
	if n := len(q.take()); n != 16 || q.losses() != 4 {
		t.Errorf("%d of 20 MiB kept, %d lost", n, q.losses())
	}
	peer := []byte("peer")
	q.copied(listen.Copy{Peer: peer, Body: []byte("body")})
	copy(peer, "xxxx")
	q.said(listen.State{Dropped: 3})
	items := q.take()
	if len(items) != 2 || string(items[0].copy.Peer) != "peer" || string(items[0].copy.Body) != "body" || items[1].state.Dropped != 3 {
		t.Errorf("got %+v", items)
	}
}

func TestDrops_CountForEachLink(t *testing.T) {
	d := drops{last: map[source]uint64{}}
	for _, dropped := range []uint64{0, 5, 9, 0, 2} { // the fourth is of a new link
		d.add(source{"s", "s-1"}, dropped)
	}
	d.add(source{"s", "s-2"}, 4)
	if d.sum() != 15 {
		t.Errorf("got %d", d.sum())
	}
}
