package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	askTimeout = 2 * time.Second
	maxAnswer  = 16 << 20
)

// asker asks admin ports, with a connection for each question: who was restarted has no part in an
// old one.
var asker = &http.Client{Timeout: askTimeout, Transport: &http.Transport{DisableKeepAlives: true}}

// ask gets a document of an admin port, or of a system.
func ask(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := asker.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %.200s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

// Answers tries whether a URL is answered with 200.
func Answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := ask(ctx, url)
		return err
	}
}

// Linked tries whether an admin port shows so many live links to each service.
func Linked(admin string, wanted map[string]int) func(context.Context) error {
	return func(ctx context.Context) error {
		body, err := ask(ctx, "http://"+admin+"/links.json")
		if err != nil {
			return err
		}
		var links []struct{ Service, State string }
		if err := json.Unmarshal(body, &links); err != nil {
			return fmt.Errorf("%s/links.json: %w", admin, err)
		}
		live := make(map[string]int)
		for _, l := range links {
			if l.State == "live" {
				live[l.Service]++
			}
		}
		for service, n := range wanted {
			if live[service] < n {
				return fmt.Errorf("%s has %d of %d links to %s", admin, live[service], n, service)
			}
		}
		return nil
	}
}
