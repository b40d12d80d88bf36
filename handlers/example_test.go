package handlers_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/registry/static"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	table, err := static.Open(ctx, static.Options{File: "instances.yaml"})
	if err == nil {
		err = handlers.Run(ctx, handlers.Options{
			Service:   "greeter",
			Listen:    os.Getenv("GREETER_BUS"), // tcp://HOST:PORT, as the table says
			Discovery: table,
			Logger:    zerolog.New(os.Stderr), // says the address that it serves at
		}, handlers.HandlerFunc(greet))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func greet(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
	name := req.Param("name")
	if name == "" {
		return handlers.Status(400, "who are you? add ?name=")
	}
	resp.Set("content-type", "text/plain; charset=utf-8")
	fmt.Fprintf(resp, "Hello %s!\n", name)
	return nil
}

// A program with its own main, the one above, with a
// table that lists it, and asked twice.
func ExampleRun() {
	leave := enterTable("greeter", "GREETER_BUS")
	defer leave()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		main()
	}()

	ask("greeter", "name=Ada")
	ask("greeter", "")

	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // what stops a service everywhere
	<-ended

	// Output:
	// 200 Hello Ada!
	// 400 {"error":"who are you? add ?name="}
}

// enterTable changes to a new directory with a table, instances.yaml, that lists
// one instance of the service, and puts its address into the environment.
func enterTable(service, variable string) (leave func()) {
	dir, err := os.MkdirTemp("", "nf")
	check(err)
	old, err := os.Getwd()
	check(err)
	check(os.Chdir(dir))
	address := "ipc://" + filepath.Join(dir, "bus.sock")
	check(os.Setenv(variable, address))
	check(os.WriteFile("instances.yaml", fmt.Appendf(nil,
		"version: 1\ninstances:\n  - {service: %s, id: only, address: %q}\n", service, address), 0o600))
	return func() {
		check(os.Unsetenv(variable))
		check(os.Chdir(old))
		check(os.RemoveAll(dir))
	}
}

// ask calls the service that the table lists and prints the answer.
func ask(service, query string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	table, err := static.Open(ctx, static.Options{File: "instances.yaml"})
	check(err)
	rt, err := handlers.New(handlers.Options{Service: "asker", Discovery: table, Calls: []string{service}})
	check(err)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- rt.Run(running, handlers.HandlerFunc(greet)) }()
	for rt.Ready() != nil && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	c := handlers.AcquireCall()
	defer c.Release()
	c.Request.Method, c.Request.Path, c.Request.Query = []byte("GET"), []byte("/"), []byte(query)
	check(rt.Client(service).Do(ctx, c))
	fmt.Printf("%d %s", c.Response.Status, c.Response.Body)
	stop()
	check(<-ended)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
