// A small stand-in for Jenkins: runs a declarative Jenkinsfile with real Groovy. Its `sh` steps are real; what it does not know
// ends the run, so that a Jenkinsfile cannot use a step here that was never looked at.
//
//   groovy jenkins.groovy JENKINSFILE WORKSPACE
//
// From the environment: PARAM_<NAME> is what somebody typed, CREDENTIAL_<id> a credential, STARTED_BY_USER the Jenkins id of who
// started it (none: a timer did), and GLOBAL_<NAME> a variable of Jenkins' own configuration.

abstract class Jenkins extends Script {
    Map<String, String> given = System.getenv()
    Map<String, String> shell = [PATH: given.PATH, HOME: given.HOME ?: '/']
    def any = 'any'
    File workspace

    def getCurrentBuild() {
        [getBuildCauses: { String kind ->
            assert kind == 'hudson.model.Cause$UserIdCause'
            given.STARTED_BY_USER == null ? [] : [[userId: given.STARTED_BY_USER]]
        }]
    }

    void pipeline(Closure body) {
        workspace = new File(given.WORKSPACE)
        given.findAll { it.key.startsWith('GLOBAL_') }.each { shell[it.key.substring(7)] = it.value }
        run(body, new Pipeline(jenkins: this))
    }

    void error(String message) { throw new Failed(message) }

    static void run(Closure body, Object delegate) {
        body.delegate = delegate
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.call()
    }
}

class Failed extends RuntimeException {
    Failed(String message) { super(message) }
}

class Pipeline {
    Jenkins jenkins
    void agent(Object where) { assert where == 'any' }
    void options(Closure body) { Jenkins.run(body, new Options()) }
    void parameters(Closure body) { Jenkins.run(body, new Parameters(jenkins: jenkins)) }
    void stages(Closure body) { Jenkins.run(body, new Stages(jenkins: jenkins)) }
}

class Options {
    void timeout(Map how) { assert how.keySet() == ['time', 'unit'] as Set }
}

// As Jenkins does: every parameter is a variable of the environment, and a choice is one of its choices.
class Parameters {
    Jenkins jenkins
    void string(Map of) { jenkins.shell[of.name] = jenkins.given['PARAM_' + of.name] ?: of.defaultValue }
    void choice(Map of) {
        def value = jenkins.given['PARAM_' + of.name] ?: of.choices[0]
        if (!(value in of.choices)) throw new Failed("Illegal choice for parameter ${of.name}: ${value}")
        jenkins.shell[of.name] = value
    }
}

class Stages {
    Jenkins jenkins
    void stage(String name, Closure body) {
        println "[Pipeline] stage (${name})"
        Jenkins.run(body, new Stage(jenkins: jenkins))
    }
}

class Stage {
    Jenkins jenkins
    void environment(Closure body) { Jenkins.run(body, new Variables(jenkins: jenkins)) }
    void steps(Closure body) { Jenkins.run(body, new Steps(jenkins: jenkins)) }
}

class Variables {
    Jenkins jenkins
    String credentials(String id) {
        def secret = jenkins.given['CREDENTIAL_' + id]
        if (secret == null) throw new Failed("Could not find credentials entry with ID '${id}'")
        secret
    }
    void setProperty(String name, Object value) {
        if (name == 'jenkins') this.@jenkins = value
        else this.@jenkins.shell[name] = value as String
    }
}

class Steps {
    Jenkins jenkins
    void echo(String message) { println message }
    void sh(String script) { sh(script: script) }
    // As the durable task does: the script in a file, by `sh -xe`.
    void sh(Map of) {
        assert of.keySet() - ['script', 'label'] == [] as Set
        assert of.script instanceof String: 'a script is a plain string, never one with values put into it'
        println "[Pipeline] sh (${of.label})"
        def file = File.createTempFile('script', '.sh')
        try {
            file.text = of.script
            def builder = new ProcessBuilder('sh', '-xe', file.path).directory(jenkins.workspace).inheritIO()
            builder.environment().clear()
            builder.environment().putAll(jenkins.shell)
            def code = builder.start().waitFor()
            if (code != 0) throw new Failed("script returned exit code ${code}")
        } finally {
            file.delete()
        }
    }
}

def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: Jenkins.name)
try {
    new GroovyShell(this.class.classLoader, new Binding(), configuration).evaluate(new File(args[0]))
    println 'Finished: SUCCESS'
} catch (Failed failed) {
    println "ERROR: ${failed.message}\nFinished: FAILURE"
    System.exit(1)
}
