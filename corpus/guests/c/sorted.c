// Sorts the lines of a file: `sorted INPUT OUTPUT`. On the way it uses what a C program gets from
// wasi-libc: files, qsort, the clock, rand, the environment, and printf with floats.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES_MAX 65536
#define LENGTH_MAX 4096

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int fail(const char *what) {
    fprintf(stderr, "sorted: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

// Every line with its end; the number of lines, or -1 if there is no memory for them.
static int read_lines(FILE *input, char **lines) {
    static char line[LENGTH_MAX];
    int count = 0;
    while (count < LINES_MAX && fgets(line, sizeof line, input) != NULL) {
        lines[count] = strdup(line);
        if (lines[count] == NULL) {
            return -1;
        }
        count++;
    }
    return count;
}

static void print_surroundings(int count, double bytes) {
    const char *name = getenv("NAME");
    time_t now = time(NULL);
    struct tm *date = gmtime(&now);
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", date);
    printf("sorted for %s at %s\n", name == NULL ? "nobody" : name, text);

    struct timespec precise;
    clock_gettime(CLOCK_MONOTONIC, &precise);
    srand((unsigned)precise.tv_nsec);
    printf("a dice shows %d\n", rand() % 6 + 1);
    printf("%d lines, %.3f bytes each, %e in all\n", count, count == 0 ? 0.0 : bytes / count, bytes);
}

int main(int argc, char **argv) {
    static char *lines[LINES_MAX];
    if (argc != 3) {
        fprintf(stderr, "sorted INPUT OUTPUT\n");
        return 2;
    }
    FILE *input = fopen(argv[1], "r");
    if (input == NULL) {
        return fail(argv[1]);
    }
    int count = read_lines(input, lines);
    if (count < 0 || ferror(input)) {
        return fail(argv[1]);
    }
    fclose(input);

    qsort(lines, count, sizeof *lines, by_bytes);
    FILE *output = fopen(argv[2], "w");
    if (output == NULL) {
        return fail(argv[2]);
    }
    double bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += strlen(lines[i]);
        fputs(lines[i], output);
    }
    if (fclose(output) != 0) {
        return fail(argv[2]);
    }
    print_surroundings(count, bytes);
    return EXIT_SUCCESS;
}
