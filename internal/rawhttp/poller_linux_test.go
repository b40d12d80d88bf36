package rawhttp

// withoutPwait2 makes an epoller do as on an old kernel.
func withoutPwait2(p Poller) bool {
	e, ok := p.(*epoller)
	if ok {
		e.ppoll = true
	}
	return ok
}
