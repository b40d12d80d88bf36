package page

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/internal/testutil/browser"
)

// full says that a test may take as long as what it is about.
var full = os.Getenv("NANOFRONT_BENCH_FULL") == "1"

// sampler notes every 20 ms what the page shows as requests in flight, which is the second of the
// look in these tests, and whether it says that this is old.
const sampler = `window.samples = [];
setInterval(() => {
	const e = document.querySelector("[data-n=fly]");
	if (e && e.textContent) samples.push({at: realNow() / 1000 % 1e7, shown: parseInt(e.textContent.replaceAll(",", "")), stale: document.body.classList.contains("stale")});
}, 20);`

// aheadBy lets the page's clock be set.
const aheadBy = `window.realNow = Date.now.bind(Date); window.ahead = 0; Date.now = () => realNow() + ahead;`

type sample struct {
	At, Shown float64
	Stale     bool
}

func asSample(t time.Time) float64 { return float64(t.UnixMilli()%(1000*wrap)) / 1000 }

func samples(t *testing.T, p *browser.Tab) (list []sample) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.Eval("JSON.stringify(samples)")), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPage_Asleep: a page that has slept shows nothing old as current when it wakes, and has what
// happened meanwhile. It sleeps for twelve seconds; with NANOFRONT_BENCH_FULL=1, for ten minutes.
func TestPage_Asleep(t *testing.T) {
	long := 12 * time.Second
	if full {
		long = 10 * time.Minute
	}
	s := serve(t, watched(t, "b"), "", "")
	b := browser.Start(t)
	p := b.Open("about:blank")
	p.BeforeAll(aheadBy + sampler)
	p.Navigate(s.URL + "/")
	current := func() bool {
		list := samples(t, p)
		last := list[max(0, len(list)-1):]
		return len(last) == 1 && !last[0].Stale && last[0].At-last[0].Shown < 3
	}
	testutil.Eventually(t, "the page is up to date", current)
	began := time.Now()
	b.Sleep(long)
	woke := time.Now()
	testutil.Eventually(t, "it is up to date again", current)
	t.Logf("it was so %v after it woke", time.Since(woke).Round(time.Millisecond))
	gap := 0.0
	list := samples(t, p)
	for i, one := range list {
		if i > 0 {
			gap = max(gap, one.At-list[i-1].At)
		}
		// Twice a beat of the page's clock is what it takes to notice.
		if !one.Stale && one.At-one.Shown > 4 && one.At-asSample(woke) > 0.5 { // 3 s, and the second that a look stands for
			t.Errorf("%.1f s after it fell asleep the page showed as current what was %.1f s old", one.At-asSample(began), one.At-one.Shown)
		}
	}
	if gap < long.Seconds()*0.9 {
		t.Errorf("it was at work all the time: at most %.1f s without a look", gap)
	}
	// All seconds are there, of which the figure of one is shown.
	testutil.Eventually(t, "what happened meanwhile is there", func() bool {
		p.Eval(fmt.Sprintf("location.hash = '#t=%s'", began.Add(long/2).UTC().Format("2006-01-02T15:04:05Z")))
		shown, err := strconv.ParseFloat(strings.ReplaceAll(p.Eval(`document.querySelector("[data-n=fly]").textContent`), ",", ""), 64)
		return err == nil && shown > asSample(began) && shown < asSample(woke)
	})
}

// TestPage_ClockIsSet: a clock that is set, forward or back, makes nothing old, and nothing new.
func TestPage_ClockIsSet(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	p := browser.Start(t).Open("about:blank")
	p.BeforeAll(aheadBy + sampler)
	p.Navigate(s.URL + "/")
	for _, ahead := range []int{0, 600_000, -600_000, 0} {
		p.Eval(fmt.Sprintf("ahead = %d", ahead))
		testutil.Eventually(t, fmt.Sprintf("the page is up to date, its clock %d ms ahead", ahead), func() bool {
			return p.Eval(`document.querySelector("#clock").textContent.startsWith(new Date(Date.now()).toISOString().slice(11, 18))`) == "true" &&
				p.Eval(`document.querySelector("#age").textContent.startsWith("data 0.")`) == "true" && p.Eval(`document.body.classList.contains("stale")`) == "false" &&
				strings.HasPrefix(p.Eval(sentenceOf), "all normal: ")
		})
	}
	s.stop()
	testutil.Eventually(t, "it says when it is not", func() bool { return strings.HasPrefix(p.Eval(sentenceOf), "No news for ") })
}

// manySeconds lets the page's server tell of one second after the other, as fast as the page takes
// them, until the page's clock is at until. Services come and go each hour.
const manySeconds = `
const begin = Date.now(), real = window.fetch;
window.second = 0; window.until = 0;
Date.now = () => begin + 1000 * second;
window.fetch = async (path, o) => {
	if (!String(path).startsWith("stream")) return real(path, o);
	const m = await (await real("since?after=0&boot=")).json(), text = new TextEncoder();
	const v = m.view, row = m.points.rows[m.points.rows.length - 1], heat = m.points.heat[m.points.heat.length - 1];
	return new Response(new ReadableStream({async pull(c) {
		for (let i = 0; i < 50 && second < until; i++) {
			const seq = Math.floor(begin / 1000) + ++second, hour = Math.floor(second / 3600);
			const services = [...v.services, ...Array.from({length: 20}, (_, k) => ({...v.services[0], name: "s" + hour + "-" + k}))];
			const events = Array.from({length: 40}, (_, k) => ({id: second + k, at_ms: 1000 * (seq - 40 * k), kind: "restart", subject: "web/web-1", text: "event " + (second - k), level: "amber"}));
			const points = {...m.points, rows: [[seq, ...row.slice(1)]], heat: [[seq, ...heat.slice(1)]], services: {}};
			for (const s of services) points.services[s.name] = [[seq, second % 100, 0, 5]];
			c.enqueue(text.encode("data: " + JSON.stringify({view: {...v, seq, at_ms: 1000 * seq, services, events}, points}) + "\n\n"));
		}
		if (second >= until) { await new Promise(r => setTimeout(r, 50)); c.enqueue(text.encode(": nothing\n\n")); }
		else await new Promise(r => setTimeout(r));
	}}));
};`

// TestPage_OpenForADay: what the page holds after a day is what it held after an hour. It is three
// hours; with NANOFRONT_BENCH_FULL=1, a whole day.
func TestPage_OpenForADay(t *testing.T) {
	hours := 3
	if full {
		hours = 24
	}
	s := serve(t, watched(t, "b"), "", "")
	p := browser.Start(t).Open("about:blank")
	p.BeforeAll(manySeconds)
	p.Navigate(s.URL + "/")
	at := func(hour int) (heap float64, elements int) {
		p.Eval(fmt.Sprintf("until = %d", hour*3600))
		testutil.EventuallyIn(t, 3*testutil.Patience, fmt.Sprintf("%d h have passed", hour), func() bool { return p.Eval("second >= until && document.title") != "false" })
		testutil.Eventually(t, "the last second is shown", func() bool {
			return strings.Contains(p.Eval(`document.querySelector("#events").textContent`), fmt.Sprintf("event %d", hour*3600))
		})
		elements, err := strconv.Atoi(p.Eval(`document.querySelectorAll("*").length`))
		if err != nil {
			t.Fatal(err)
		}
		return p.Heap(), elements
	}
	heap, elements := at(1)
	heapLater, elementsLater := at(hours)
	t.Logf("after an hour %.1f MB and %d elements, after %d hours %.1f MB and %d", heap/1e6, elements, hours, heapLater/1e6, elementsLater)
	if heapLater > heap*1.1+500_000 || elementsLater > elements+20 {
		t.Error("that has grown")
	}
}
