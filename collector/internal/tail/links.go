package tail

import (
	"os"
	"path/filepath"
)

// realPath resolves symbolic links at once: they may point elsewhere by the time that the file is looked for.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Target returns where a symbolic link leads, whether there is a file or not. resolved resolves the links of the folder
// of a path.
func Target(path string, resolved func(path string) string) string {
	for range maxLinks {
		path = resolved(path)
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

// inRealFolder returns a path with the symbolic links of its folder resolved.
func inRealFolder(path string) string {
	return filepath.Join(realPath(filepath.Dir(path)), filepath.Base(path))
}

// maxLinks is how many symbolic links may lead from one to the next.
const maxLinks = 40
