package profile

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"nanofront/handlers"
)

const benchMembers = 100_000

func BenchmarkSeed(b *testing.B) {
	for b.Loop() {
		s := open(b, PebbleOptions{})
		if err := Seed(b.Context(), s, benchMembers, nil); err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchMembers), "ns/member")
}

// BenchmarkStore_Read is of one record in a batch of so many, sorted, as the
// handler reads them.
func BenchmarkStore_Read(b *testing.B) {
	s := seeded(b, benchMembers, PebbleOptions{CacheBytes: DefaultCacheBytes})
	total := 0
	each := func(_ int, doc Document, _ error) { total += len(doc.JSON) }
	for _, batch := range []int{1, 4, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			rng := testRand()
			ids := make([]uint64, batch)
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				for j := range ids {
					ids[j] = 1 + rng.Uint64N(benchMembers)
				}
				slices.Sort(ids)
				if err := s.Read(ids, each); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStore_Update(b *testing.B) {
	for _, d := range []Durability{DurabilitySync, DurabilityNoSync} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("durability=%s/writers=%d", d, writers), func(b *testing.B) {
				s := seeded(b, 1000, PebbleOptions{Durability: d})
				var id atomic.Uint64
				b.SetParallelism(max(1, writers/2))
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Update(b.Context(), 1+id.Add(1)%1000, Condition{Any: true}, rename("x")); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkFill is the handler's part of one read.
func BenchmarkFill(b *testing.B) {
	doc := sampleDocument(b)
	var resp handlers.Response
	b.ReportAllocs()
	for b.Loop() {
		resp.Reset()
		fill(&resp, doc)
	}
}

func sampleDocument(t testing.TB) Document {
	t.Helper()
	m := Generate(42)
	b, err := appendRecord(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestFill_NoAllocations(t *testing.T) {
	doc := sampleDocument(t)
	var resp handlers.Response
	fill(&resp, doc)
	if n := testing.AllocsPerRun(100, func() {
		resp.Reset()
		fill(&resp, doc)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSortBatch(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	items := make([]readItem, 64)
	for b.Loop() {
		for i := range items {
			items[i].id = rng.Uint64()
		}
		slices.SortFunc(items, func(x, y readItem) int { return cmp.Compare(x.id, y.id) })
	}
}
