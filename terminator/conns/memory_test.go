package conns

import (
	"sync"
	"testing"
)

func TestMemory_IsNeverOverdrawn(t *testing.T) {
	m := NewMemory(100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10_000 {
				if m.Take(30) {
					if held := m.Held(); held < 30 {
						t.Errorf("%d bytes held with 30 of them taken", held)
					}
					m.Give(30)
				}
			}
		})
	}
	wg.Wait()
	if m.Held() != 0 || !m.Take(100) || m.Take(1) {
		t.Errorf("%d bytes held of a budget of 100", m.Held())
	}
}
