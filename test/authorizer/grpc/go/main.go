// Asks an authorizer as Envoy does, with the types of Envoy's own control planes. Each line on standard input is a
// CheckRequest in JSON, each answer a line on standard output. First come three lines: the health of the service, the
// services that reflection lists, and the methods that it describes.
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
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
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
	fmt.Println(described(ctx, connection, auth.Authorization_ServiceDesc.ServiceName))

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

// services returns the names of the services that reflection lists, as JSON.
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

// described asks reflection for the file of a symbol and all its imports, links them, and returns the symbol's methods, as JSON.
func described(ctx context.Context, connection *grpc.ClientConn, symbol string) string {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	check(err)
	files := map[string]*descriptorpb.FileDescriptorProto{}
	ask := func(request *grpc_reflection_v1.ServerReflectionRequest) {
		check(stream.Send(request))
		answer, err := stream.Recv()
		check(err)
		for _, bytes := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
			file := &descriptorpb.FileDescriptorProto{}
			check(proto.Unmarshal(bytes, file))
			files[file.GetName()] = file
		}
	}
	ask(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	})
	for isNew := true; isNew; {
		isNew = false
		for _, file := range files {
			for _, name := range file.GetDependency() {
				if files[name] != nil {
					continue
				}
				isNew = true
				ask(&grpc_reflection_v1.ServerReflectionRequest{
					MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: name},
				})
				if files[name] == nil {
					check(fmt.Errorf("reflection has no %s", name))
				}
			}
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range files {
		set.File = append(set.File, file)
	}
	linked, err := protodesc.NewFiles(set)
	check(err)
	found, err := linked.FindDescriptorByName(protoreflect.FullName(symbol))
	check(err)
	names := []string{}
	methods := found.(protoreflect.ServiceDescriptor).Methods()
	for index := range methods.Len() {
		names = append(names, string(methods.Get(index).Name()))
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
