// Package handlers is what a nanofront backend is written with: it announces
// the process, takes its requests off the bus, runs the handler with bounded
// concurrency, contains its panics, answers, and leaves without losing a
// request.
//
// A whole backend (compiled and run as ExampleRun):
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"os"
//		"os/signal"
//		"syscall"
//
//		"nanofront/handlers"
//		"nanofront/registry/static"
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		defer stop()
//		table, err := static.Open(ctx, static.Options{File: "instances.yaml"})
//		if err == nil {
//			err = handlers.Run(ctx, handlers.Options{
//				Service:   "greeter",
//				Listen:    os.Getenv("GREETER_BUS"), // tcp://HOST:PORT, as the table says
//				Discovery: table,
//			}, handlers.HandlerFunc(greet))
//		}
//		if err != nil {
//			fmt.Fprintln(os.Stderr, err)
//			os.Exit(1)
//		}
//	}
//
//	func greet(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
//		name := req.Param("name")
//		if name == "" {
//			return handlers.Status(400, "who are you? add ?name=")
//		}
//		resp.Set("content-type", "text/plain; charset=utf-8")
//		fmt.Fprintf(resp, "Hello %s!\n", name)
//		return nil
//	}
//
// A handler that can do many requests at the cost of one, because its store
// can, implements [BatchHandler] instead: it gets all that has gathered, and
// answers each when it is ready. One that calls other services does so with
// a [Client], which has an asynchronous form for handlers that must not hold
// a goroutine for each request.
//
// # Pitfalls
//
// Request and Response belong to the runtime: nothing of them may be used
// after the handler has returned (Handler) or the exchange was finished
// (BatchHandler). Byte slices in a Request alias the received message; copy
// what outlives the request.
//
// A goroutine that a handler starts itself is out of the runtime's reach: a
// panic on it ends the process.
package handlers
