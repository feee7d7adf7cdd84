package main

import (
	"context"
	"io"
)

func check(context.Context, *commandLine, io.Writer, io.Writer) int { return 0 }
