package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

// rawCodec passes bytes through: what is compared is the way of a message and
// not its encoding. A *[]byte is copied into, a *mem.BufferSlice takes over
// what came.
type rawCodec struct{}

// Name implements encoding.CodecV2.
func (rawCodec) Name() string { return "raw" }

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *[]byte:
		return mem.BufferSlice{mem.SliceBuffer(*v)}, nil
	case *mem.BufferSlice:
		return *v, nil // and with it the reference that Unmarshal took
	default:
		return nil, fmt.Errorf("raw codec: %T", v)
	}
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *[]byte:
		if n := data.Len(); n > len(*v) {
			return fmt.Errorf("raw codec: %d bytes, room for %d", n, len(*v))
		}
		*v = (*v)[:data.CopyTo(*v)]
		return nil
	case *mem.BufferSlice:
		data.Ref()
		*v = data
		return nil
	default:
		return fmt.Errorf("raw codec: %T", v)
	}
}

const grpcMethod = "/bench.Echo/Echo"

// startGRPC is a unary method on one connection, without deadlines, retries,
// TLS or protobuf, and with the server's goroutines kept.
func startGRPC(b *testing.B, _, body int) func() exchange {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))),
	)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Echo",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(mem.BufferSlice)
				return in, decode(in)
			},
		}},
	}, struct{}{})
	served := make(chan struct{})
	go func() { // ends with the server
		defer close(served)
		_ = server.Serve(l) // says only that it was stopped
	}()
	client, err := grpc.NewClient("passthrough:///"+l.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = client.Close()
		server.Stop()
		<-served
	})
	return func() exchange {
		room := make([]byte, body)
		return func(body []byte) ([]byte, error) {
			reply := room
			err := client.Invoke(context.Background(), grpcMethod, &body, &reply)
			return reply, err
		}
	}
}
