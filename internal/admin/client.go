package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// client asks admin ports directly: they are in the network of whoever asks, and what HTTP_PROXY
// says is for the world outside.
var client = &http.Client{Transport: &http.Transport{
	Proxy:               nil,
	DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	TLSHandshakeTimeout: 5 * time.Second,
	MaxIdleConnsPerHost: 2,
	IdleConnTimeout:     10 * time.Second,
}}

// Get asks an admin port. The caller must close the response's body.
func Get(ctx context.Context, addr, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// lookTimeout bounds a look at an admin port.
const lookTimeout = 2 * time.Second

// GetJSON asks an admin port for a document, for some seconds at most.
func GetJSON(ctx context.Context, addr, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	resp, err := Get(ctx, addr, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("http://%s%s: %s", addr, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
