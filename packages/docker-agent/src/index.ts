// filled by the package's first module
