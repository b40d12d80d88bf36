package guard

import "math"

// ratio holds the requests that were meant for the new version against those that should have been.
// If they differ, something chooses among requests, and no comparison of the versions is fair.
type ratio struct {
	All   uint64  `json:"all"`
	Fresh uint64  `json:"new"`
	Best  float64 `json:"best"` // the most evidence against the intended share, as a logarithm
}

// ratioAlpha is how often a release whose share is right is said to have a wrong one.
const ratioAlpha = 0.001

func (r *ratio) add(old, fresh uint64, intended float64) {
	r.All += old + fresh
	r.Fresh += fresh
	if intended <= 0 || intended >= 1 || r.All == 0 {
		return
	}
	r.Best = max(r.Best, r.evidence(intended))
}

// evidence is the logarithm of how much more likely the counts are under shares near the intended
// one (a beta distribution of a width of some hundredths of it) than under itself.
func (r *ratio) evidence(p float64) float64 {
	const prior = 2000
	n, k := float64(r.All), float64(r.Fresh)
	a, b := prior*p, prior*(1-p)
	return beta(a+k, b+n-k) - beta(a, b) - k*math.Log(p) - (n-k)*math.Log(1-p)
}

func beta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// wrong tells that the share isn't what is intended.
func (r *ratio) wrong(intended float64, sticky bool) bool {
	if intended <= 0 || intended >= 1 {
		return false
	}
	if sticky {
		// A busy client may be a tenth of all requests.
		served := float64(r.Fresh) / float64(max(r.All, 1))
		return r.All >= 5000 && (served < intended/2 || served > 0.5+intended/2 && served > 2*intended)
	}
	return r.Best >= -math.Log(ratioAlpha)
}

// dead is the plain case: whatever the new version is asked, fails.
type dead struct {
	Since  int64  `json:"since"` // 0: it isn't so
	Failed uint64 `json:"failed"`
	Ended  uint64 `json:"ended"`
	Sure   bool   `json:"sure"`
}

// minDead is how many requests must have failed, in more than one second.
const minDead = 20

func (d *dead) add(now int64, old, fresh Block) {
	switch {
	case d.Sure || fresh.Ended == 0:
		return
	case 10*fresh.Failed < 9*fresh.Ended, old.Ended > 0 && 2*old.Failed > old.Ended:
		*d = dead{}
		return
	}
	if d.Since == 0 {
		d.Since = now
	}
	d.Failed += fresh.Failed
	d.Ended += fresh.Ended
	d.Sure = d.Failed >= minDead && now > d.Since
}
