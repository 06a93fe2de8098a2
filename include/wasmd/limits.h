/*
 * Every bound on what strangers can make us hold, each with unit and reason.
 */
#ifndef WASMD_LIMITS_H
#define WASMD_LIMITS_H

/* Modules (vm/). */
#define LIM_MODULE_BYTES (256u << 20) /* largest upload; pandoc is 59 MB */
#define LIM_TYPES	 1000000u     /* per module, as browsers have it */
#define LIM_FUNCS	 1000000u     /* per module; clang's lld has 133,000 */
#define LIM_IMPORTS	 100000u      /* per module */
#define LIM_EXPORTS	 1000000u     /* per module; 600,000-function modules exist */
#define LIM_GLOBALS	 1000000u     /* per module */
#define LIM_TABLES	 100u	      /* per module */
#define LIM_MEMORIES	 1u	      /* per module, until multi-memory */
#define LIM_SEGMENTS	 100000u      /* data or element segments per module */
#define LIM_PARAMS	 1000u	      /* per function type */
#define LIM_RESULTS	 1000u	      /* per function type */
#define LIM_LOCALS	 50000u	      /* per function, parameters included */
#define LIM_BODY_BYTES	 (7654321u)   /* per function body, as browsers have it */
#define LIM_NEST	 10000u	      /* block depth; validator memory, not C's stack */
#define LIM_OPERANDS	 1000000u     /* operand stack height in one body */
#define LIM_BR_TABLE	 1000000u     /* labels of one br_table */
#define LIM_NAME_BYTES	 100000u      /* one name */
#define LIM_TABLE_ELEMS	 10000000u    /* entries of one table */
#define LIM_MEMORY_PAGES 65536u	      /* 64 KiB pages: all that 32 bits address */
#define LIM_CALL_DEPTH	 65536u	      /* wasm frames; control stack stays < 4 MiB */
#define LIM_STACK_BYTES	 (1u << 20)   /* default value stack of an instance */
#define LIM_BACKTRACE	 32u	      /* frames kept with a trap */

/* Loading one module: decode, validate, compile, instantiate. The most that a
 * tenant's ceiling.compile may say, and what holds where it says nothing. */
#define LIM_COMPILE_CPU_S    30u   /* 250 MB of functions validate in two */
#define LIM_COMPILE_WALL_S   60u   /* the same on a machine that has other work */
#define LIM_COMPILE_MIB	     1024u /* of data, beside LIM_COMPILE_PER_BYTE */
#define LIM_COMPILES	     32u   /* modules of one tenant being loaded at once */
#define LIM_COMPILE_PER_BYTE 16u   /* bytes of data for each byte of the module */

/* WASI (vm/wasi). */
#define LIM_PATH_BYTES	  4096u	     /* one guest path, PATH_MAX of Linux */
#define LIM_PATH_DEPTH	  256u	     /* components of a resolved path */
#define LIM_SYMLINKS	  40u	     /* followed in one resolution, as Linux */
#define LIM_IOVECS	  1024u	     /* of one call, IOV_MAX of Linux */
#define LIM_SUBSCRIPTIONS 1024u	     /* of one poll_oneoff */
#define LIM_RANDOM_BYTES  (1u << 20) /* of one random_get; interrupts stay quick */
#define LIM_IO_BYTES	  (1u << 24) /* moved by one call; interrupts stay quick */
#define LIM_GUEST_FDS	  4096u	     /* entries of a guest's descriptor table */
#define LIM_PREOPENS	  32u	     /* mounts of one instance */

/* Policies (policy/). */
#define LIM_POLICY_BYTES  (1u << 20) /* the JSON text */
#define LIM_POLICY_DEPTH  16u	     /* nesting of the JSON text */
#define LIM_POLICY_RULES  1000u	     /* rules of one policy */
#define LIM_POLICY_STRING 4096u	     /* one string: a path is the longest need */
#define LIM_POLICY_ENV	  256u	     /* variables set or passed */
#define LIM_POLICY_ONLY	  64u	     /* globs of one mount */
#define LIM_POLICY_IMAGE  (4u << 20) /* the compiled form */
#define LIM_BPF_INSNS	  65536u     /* of one program */
#define LIM_BPF_STEPS	  1000000u   /* executed in one judgement */
#define LIM_BPF_STACK	  512u	     /* bytes, as RFC 9669 users expect; of each function */
#define LIM_BPF_FRAMES	  8u	     /* calls inside calls, the outermost counted */
#define LIM_BPF_FUNCS	  256u	     /* of one program */
#define LIM_BPF_LOOPS	  8u	     /* loops inside loops */
#define LIM_BPF_WORK	  1000000u   /* instructions the verifier looks at, loops unrolled */
#define LIM_BPF_WAIT	  8192u	     /* paths of one program that wait to be joined */
#define LIM_BPF_MAPS	  16u	     /* of one program */

/* The daemon. */
#define LIM_TASK_BYTES	    (1u << 20)	/* arguments and environment of an instance */
#define LIM_TASK_STRINGS    4096u	/* arguments and variables */
#define LIM_HTTP_BODY	    (4u << 20)	/* a JSON body; modules and stdin stream */
#define LIM_RUN_STDIN	    (64u << 20) /* body of POST /v1/run */
#define LIM_RUN_OUTPUT	    (16u << 20) /* stdout + stderr in the reply of /v1/run */
#define LIM_SECRET_BYTES    (64u << 10) /* the value of one env.secret */
#define LIM_NAME	    128u	/* instance, module, tenant and policy names */
#define LIM_INSTANCES	    4096u	/* live at once */
#define LIM_ZYGOTE_LIVES    512u	/* of one zygote: each costs it descriptors; then another */
#define LIM_ORPHAN_S	    3600u	/* that exit statuses wait for a daemon to ask for them */
#define LIM_ZYGOTES	    64u		/* warm at once; the idlest is retired */
#define LIM_ZYGOTES_ALIVE   256u	/* busy and retiring ones included */
#define LIM_CONNECTIONS	    1024u	/* open HTTP connections */
#define LIM_CONNECTIONS_UID 512u	/* of one uid: the quietest gives way to the next */
#define LIM_AUDIT_RING	    (32u << 10) /* bytes per instance, power of two */
#define LIM_OUTPUT_RING	    (64u << 10) /* bytes per instance, power of two */
#define LIM_LOG_BYTES	    (16u << 20) /* kept output of one detached instance */

#endif
