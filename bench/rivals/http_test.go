package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// startHTTP is net/http at both ends, with a connection kept open for each
// caller.
func startHTTP(b *testing.B, callers, body int) func() exchange {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	length := []string{strconv.Itoa(body)}
	buffers := sync.Pool{New: func() any { return ptr(make([]byte, body)) }}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			buf := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
			defer buffers.Put(buf)
			if _, err := io.ReadFull(r.Body, *buf); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header()["Content-Length"] = length
			w.Header()["Content-Type"] = nil // else it is guessed from the body
			_, _ = w.Write(*buf)             // a client that has gone needs no answer
		}),
	}
	served := make(chan struct{})
	go func() { // ends with the server
		defer close(served)
		_ = server.Serve(l) // says only that it was closed
	}()
	transport := &http.Transport{MaxIdleConns: callers, MaxIdleConnsPerHost: callers, DisableCompression: true}
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	client := &http.Client{Transport: transport}
	url := "http://" + l.Addr().String() + "/"
	return func() exchange {
		buf := make([]byte, body)
		return func(body []byte) ([]byte, error) {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			resp, err := client.Do(r)
			if err != nil {
				return nil, err
			}
			defer func() { _ = resp.Body.Close() }() // read to its end
			if resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(buf)) {
				return nil, fmt.Errorf("%s with %d bytes", resp.Status, resp.ContentLength)
			}
			if _, err := io.ReadFull(resp.Body, buf); err != nil {
				return nil, err
			}
			_, err = io.Copy(io.Discard, resp.Body) // its end: the connection can be used again
			return buf, err
		}
	}
}

func ptr[T any](v T) *T { return &v }
