package echo

import (
	"strconv"
	"sync"
	"time"

	"nanofront/handlers"
)

// rooms are where requests are held, by name.
type rooms struct {
	mu   sync.Mutex
	held map[string]map[*handlers.Held]struct{}
}

// hold has the client wait for an answer in a room.
func (r *rooms) hold(x *handlers.Exchange) error {
	ms, err := number(x.Request(), "ms", int(handlers.MaxHold/time.Millisecond))
	if err != nil {
		return err
	}
	room := x.Request().Param("room")
	x.Response().Add(headerType, typeText)
	x.Response().Body = append(x.Response().Body, "nothing\n"...)
	h, err := x.Hold(time.Duration(ms) * time.Millisecond)
	if err != nil {
		return handlers.Status(503, "%v", err)
	}
	r.mu.Lock()
	if r.held == nil {
		r.held = make(map[string]map[*handlers.Held]struct{})
	}
	if r.held[room] == nil {
		r.held[room] = make(map[*handlers.Held]struct{})
	}
	r.held[room][h] = struct{}{}
	r.mu.Unlock()
	h.OnGone(func() { r.forget(room, h) })
	return nil
}

func (r *rooms) forget(room string, h *handlers.Held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.held[room], h); len(r.held[room]) == 0 {
		delete(r.held, room)
	}
}

// count says how many are held in a room.
func (r *rooms) count(x *handlers.Exchange) error {
	r.mu.Lock()
	n := len(r.held[x.Request().Param("room")])
	r.mu.Unlock()
	return sayNumber(x, n)
}

// answer answers all requests held in a room, and returns how many there were.
func (r *rooms) answer(x *handlers.Exchange) error {
	room := x.Request().Param("room")
	r.mu.Lock()
	held := r.held[room]
	delete(r.held, room)
	r.mu.Unlock()
	var resp handlers.Response
	resp.Add(headerType, typeText)
	_, _ = resp.WriteString(x.Request().Param("text") + "\n") // it can't fail
	n := 0
	for h := range held {
		if h.Answer(&resp) == nil { // else the client has just left
			n++
		}
	}
	return sayNumber(x, n)
}

func sayNumber(x *handlers.Exchange, n int) error {
	x.Response().Add(headerType, typeText)
	x.Response().Body = append(strconv.AppendInt(x.Response().Body, int64(n), 10), '\n')
	return nil
}
