package main

import (
	"context"
	"fmt"

	"nanofront/handlers"
	"nanofront/handlers/program"
)

func main() {
	program.Main("greeter", handlers.HandlerFunc(greet))
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
