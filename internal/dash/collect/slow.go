package collect

import (
	"cmp"
	"slices"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
)

// slowKept are the slow requests that fronts told of lately.
type slowKept []fleet.Slow

// slowest is where the slowest 1 % of the last 10 s spent their time.
func (k *slowKept) slowest(now time.Time, times *rolling) view.Slow {
	from := float64(now.Add(-window * time.Second).UnixMilli())
	kept := (*k)[:0]
	for _, o := range *k {
		if o.AtMS >= from {
			kept = append(kept, o)
		}
	}
	slices.SortFunc(kept, func(a, b fleet.Slow) int { return cmp.Compare(b.Total, a.Total) })
	kept = kept[:min(len(kept), maxSlow)]
	*k = kept
	all := 0
	if times.all != nil {
		all = int(times.all.Count())
	}
	list := kept[:min(len(kept), (all+99)/100)]
	out := view.Slow{Count: len(list), From: view.Unknown, Stages: make([]view.Num, 7), By: []view.SlowBy{}, Worst: []view.SlowOne{}}
	if len(list) == 0 {
		return out
	}
	out.From = view.Num(list[len(list)-1].Total)
	type who struct{ service, instance string }
	type sum struct {
		n      int
		total  float64
		stages [7]float64
	}
	by := make(map[who]*sum)
	for _, o := range list {
		b := by[who{o.Service, o.Instance}]
		if b == nil {
			b = new(sum)
			by[who{o.Service, o.Instance}] = b
		}
		b.n++
		b.total += o.Total
		for i, ms := range o.Stages {
			out.Stages[i] += view.Num(ms / float64(len(list)))
			b.stages[i] += ms
		}
	}
	for w, b := range by {
		most := 0
		for i := range b.stages {
			if b.stages[i] > b.stages[most] {
				most = i
			}
		}
		out.By = append(out.By, view.SlowBy{Service: w.service, Instance: w.instance, Count: b.n, Mean: view.Num(b.total / float64(b.n)), Stage: view.Stages[most]})
	}
	slices.SortFunc(out.By, func(a, b view.SlowBy) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	out.By = out.By[:min(len(out.By), 5)]
	for _, o := range list[:min(len(list), 5)] {
		one := view.SlowOne{AtMS: int64(o.AtMS), Total: view.Num(o.Total), Service: o.Service, Instance: o.Instance, ID: o.ID}
		for _, ms := range o.Stages {
			one.Stages = append(one.Stages, view.Num(ms))
		}
		out.Worst = append(out.Worst, one)
	}
	return out
}
