// Asks an authorizer as Envoy does, with the types that Envoy's own control planes are written with: a line of JSON on
// standard input is a CheckRequest, and each answer a line on standard output. Before that, one line with the health of the
// service and one with the services that reflection names.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	health, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{
		Service: auth.Authorization_ServiceDesc.ServiceName,
	})
	check(err)
	fmt.Println(health.GetStatus())
	fmt.Println(services(ctx, connection))

	client := auth.NewAuthorizationClient(connection)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		request := &auth.CheckRequest{}
		check(protojson.Unmarshal(lines.Bytes(), request))
		response, err := client.Check(ctx, request)
		check(err)
		check(response.ValidateAll())
		text, err := protojson.Marshal(response)
		check(err)
		fmt.Println(string(text))
	}
	check(lines.Err())
}

// services names what reflection lists, as JSON.
func services(ctx context.Context, connection *grpc.ClientConn) string {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	check(err)
	check(stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}))
	answer, err := stream.Recv()
	check(err)
	names := []string{}
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	text, err := json.Marshal(names)
	check(err)
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
