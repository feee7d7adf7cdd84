package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// A grpcAnswer is the answer of a health service.
type grpcAnswer struct {
	code    int
	message string // of a code other than OK
	serving int    // grpc.health.v1.HealthCheckResponse.ServingStatus
}

// healthRequest is a grpc.health.v1.HealthCheckRequest in gRPC's framing: a byte for compression, four for the length.
func healthRequest(service string) []byte {
	frame := make([]byte, 5)
	if service != "" {
		frame = protowire.AppendTag(frame, 1, protowire.BytesType)
		frame = protowire.AppendString(frame, service)
	}
	binary.BigEndian.PutUint32(frame[1:5], uint32(len(frame)-5))
	return frame
}

// maxHealthAnswer limits an answer, bytes; a valid one has seven.
const maxHealthAnswer = 64 << 10

// codeOfHTTP returns the code for an answer that does not come from gRPC, as gRPC's specification defines it.
var codeOfHTTP = map[int]int{
	400: grpcInternal, 401: 16, 403: 7, 404: 12, 429: grpcUnavailable, 502: grpcUnavailable, 503: grpcUnavailable,
	504: grpcUnavailable,
}

// readGRPC reads an answer with its trailers. It returns an error if the connection breaks.
func readGRPC(response *http.Response) (grpcAnswer, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealthAnswer+1))
	if err != nil {
		return grpcAnswer{}, err
	}
	isGRPC := strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc")
	if response.StatusCode != http.StatusOK || !isGRPC {
		code, ok := codeOfHTTP[response.StatusCode]
		if !ok {
			code = grpcUnknown
		}
		return grpcAnswer{code: code, message: "not a gRPC answer: " + response.Status}, nil
	}
	answer := statusOf(response)
	if answer.code != grpcOK {
		return answer, nil
	}
	if answer.serving, err = healthStatus(body); err != nil {
		return grpcAnswer{code: grpcInternal, message: err.Error()}, nil
	}
	return answer, nil
}

// statusOf returns the code and the message, which are in the header if there is no body.
func statusOf(response *http.Response) grpcAnswer {
	from := response.Trailer
	if response.Header.Get("Grpc-Status") != "" {
		from = response.Header
	}
	code, err := strconv.Atoi(from.Get("Grpc-Status"))
	if err != nil {
		return grpcAnswer{code: grpcInternal, message: "the server closed the stream without a status"}
	}
	message := from.Get("Grpc-Message")
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	return grpcAnswer{code: code, message: message}
}

// healthStatus reads a grpc.health.v1.HealthCheckResponse.
func healthStatus(body []byte) (int, error) {
	if len(body) < 5 || len(body) > maxHealthAnswer || binary.BigEndian.Uint32(body[1:5]) != uint32(len(body)-5) {
		return 0, errors.New("the answer is not a single message")
	}
	if body[0] != 0 {
		return 0, errors.New("the answer is compressed, which was not requested")
	}
	serving := 0
	for message := body[5:]; len(message) > 0; {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, fmt.Errorf("the answer is not a HealthCheckResponse: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if field == 1 && kind == protowire.VarintType {
			value, n := protowire.ConsumeVarint(message)
			if n >= 0 {
				serving = int(min(value, uint64(len(servingNames))))
			}
		}
		if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			return 0, fmt.Errorf("the answer is not a HealthCheckResponse: %w", protowire.ParseError(n))
		}
		message = message[n:]
	}
	return serving, nil
}
