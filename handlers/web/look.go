package web

import (
	"bytes"
	"context"
	"net/http"

	"nanofront/handlers"
	"nanofront/toggles/requests"
)

// LookToggle is the toggle that chooses the start page's colour, a string: teal, plum or amber. It
// is there to show what a toggle does.
const LookToggle = "web-look"

// defaultLook is without the toggle, and what the style sheet says.
const defaultLook = "teal"

// looks are the colours, on a light and on a dark ground.
var looks = map[string]string{
	"plum":  `<style>:root{--accent:#7b2d74;--tint:#f5e6f3}@media (prefers-color-scheme:dark){:root{--accent:#e3a0dc;--tint:#3a2138}}</style>`,
	"amber": `<style>:root{--accent:#8a5200;--tint:#faeedb}@media (prefers-color-scheme:dark){:root{--accent:#f0b65a;--tint:#3a2d17}}</style>`,
}

// indexPages are the start page in all looks.
func indexPages(instance string) (map[string][]byte, error) {
	plain, err := indexPage(instance)
	all := map[string][]byte{defaultLook: plain}
	for name, style := range looks {
		all[name] = bytes.Replace(plain, []byte("</head>"), []byte(style+"\n</head>"), 1)
	}
	return all, err
}

// openToggles opens toggles where there are some: with etcd.
func openToggles(o handlers.Options) (*requests.Toggles, error) {
	if !requests.Has(o) {
		return nil, nil //nolint:nilnil // none is as good
	}
	return requests.Open(o, "cookie:session")
}

// look is the start page's for a request. It doesn't wait.
func (h *handler) look(req *handlers.Request) string {
	if h.toggles == nil {
		return defaultLook
	}
	return h.toggles.Now(req).String(LookToggle, defaultLook)
}

func (h *handler) getIndex(x *handlers.Exchange) {
	page, known := h.index[h.look(x.Request())]
	if !known { // a colour that the toggle has, and this version not
		page = h.index[defaultLook]
	}
	sendPage(x, page)
}

// loadToggles waits until they are known, in front of the first request.
func (r *Role) loadToggles(ctx context.Context) {
	if r.h.toggles != nil && !r.h.toggles.Load(ctx) && ctx.Err() == nil {
		r.log.Warn().Msg("beginning without toggles, which are not known yet: the page looks as it does by default")
	}
}

// Degraded says what isn't as it should be, for operators.
func (r *Role) Degraded() []string {
	if r.h.toggles != nil {
		if line := r.h.toggles.Degraded(); line != "" {
			return []string{line}
		}
	}
	return nil
}

// Shows are pages for the admin port.
func (r *Role) Shows() map[string]http.Handler {
	if r.h.toggles == nil {
		return nil
	}
	return r.h.toggles.Shows()
}
